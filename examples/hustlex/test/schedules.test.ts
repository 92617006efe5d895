// The schedules with five workers. The clock of Redis cannot be moved, so how far a schedule has come is set back instead.
import { expect, test } from "vitest";
import type { Inspector, ScheduleSummary } from "../../../runtime/inspect/index.js";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import { setup } from "./project.js";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
/** Lagos is an hour ahead of UTC, all year. */
const LAGOS_MS = HOUR_MS;

const redis = await startRedis();

test("both schedules stand on the clock of Lagos", async () => {
  const { operator, startWorkers } = await setup(redis.url);
  await startWorkers(1);
  const [scores, cleanup] = await declared(operator.inspector);
  const [monday = 0, nextMonday = 0] = scores?.next ?? [];
  expect(new Date(monday + LAGOS_MS).toUTCString()).toMatch(/^Mon, .* 03:00:00 GMT$/);
  expect(nextMonday - monday).toBe(WEEK_MS);
  const [hour = 0, nextHour = 0] = cleanup?.next ?? [];
  expect(hour % HOUR_MS).toBe(0);
  expect(nextHour - hour).toBe(HOUR_MS);
  for (const schedule of [scores, cleanup]) expect(schedule?.timezone).toBe("Africa/Lagos");
});

test("each tick runs once, with five workers that all look after the schedules", async () => {
  const { operator, world, startWorkers } = await setup(redis.url);
  const raw = redis.client();
  const declareOnly = await startWorkers(1);
  const schedules = await declared(operator.inspector);
  await Promise.all(declareOnly.map((worker) => worker.stop()));
  // As if the last worker had stopped right before the last tick of each.
  const ticks = schedules.map(({ name, cron, next: [next = 0, second = 0] }) => {
    const last = next - (second - next);
    return { name, last, state: `["${cron} Africa/Lagos",${last - 1},0,"",0,""]` };
  });
  for (const { name, state } of ticks) await raw.hset("{hustlex:0}:schedules", name, state);
  const workers = await startWorkers(5);
  await until("the jobs to end", async () => (await operator.ids("completed")).length === 2);
  // All five have looked at their start; what one of them may have made twice has run when they have stopped.
  await Promise.all(workers.map((worker) => worker.stop()));
  const expected = ticks.map(({ name, last }) => `cron:${name}:${last.toString(36)}`);
  expect((await operator.ids("completed")).toSorted()).toEqual(expected);
  expect(world.calls.map((call) => call.key).toSorted()).toEqual(expected);
});

async function declared(inspector: Inspector): Promise<readonly ScheduleSummary[]> {
  let schedules: readonly ScheduleSummary[] = [];
  await until("the schedules to be declared", async () => {
    schedules = await inspector.listSchedules();
    return schedules.length === 2;
  });
  return schedules;
}
