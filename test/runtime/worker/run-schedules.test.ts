// Schedules that start runs of workflows, with real workers. Ticks of the past are made by setting back how far a schedule has come.
import { expect, test } from "vitest";
import type { RunScheduleDefinition } from "taskweft/generated-v1";
import { openInspector } from "../../../runtime/inspect/index.js";
import { parseRunEnd, parseScheduleState, tickJobId, tickOfJob } from "../../../runtime/protocol/index.js";
import { RunStarter } from "../../../runtime/workflow/index.js";
import { bury, type Death, Life, SILENT } from "../../support/mortal-worker.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { jobOf, path, workflow } from "../../support/workflow.js";

const DAY_MS = 86_400_000;
const redis = await startRedis();
const add = defineTask("math:add");
const a = { name: "a", needs: [], job: jobOf(add as never, path("input", "n")) };
const b = { name: "b", needs: ["a"], job: jobOf(add as never, path("steps", "a", "result")) };
const definition = workflow([a, b], { output: path("steps", "b", "result") });
/** At a time of day that is not near while the tests run. */
const HOUR = (new Date().getUTCHours() + 12) % 24;
const nightly: RunScheduleDefinition = {
  name: "nightly",
  workflow: definition,
  cron: `0 ${HOUR} * * *`,
  timezone: "UTC",
  input: { n: 7 },
  missed: "latest",
  overlap: "allow",
  jitterMs: 0,
};
const SHARDS = 4;

const setup = (schedules: readonly RunScheduleDefinition[], options = {}): Project =>
  setupProject({ redis, tasks: [add] as never, schedules, ...options });

/** The last tick of `nightly`, some half a day ago. */
function lastTick(): number {
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS + HOUR * 3_600_000;
  return today > Date.now() ? today - DAY_MS : today;
}

const shardOf = (project: Project, name: string) => project.shards[project.router.ofKey(name)]!;

async function settledUpTo(project: Project, lastMs: number, name = "nightly", last = ""): Promise<void> {
  const { raw, keys } = shardOf(project, name);
  await raw.hset(keys.schedules, name, `["${nightly.cron} UTC",${lastMs},0,"${last}",0,""]`);
}

async function stateOf(project: Project, name = "nightly") {
  const { raw, keys } = shardOf(project, name);
  return parseScheduleState((await raw.hget(keys.schedules, name))!);
}

/** The ids of all runs that have completed, with their outputs. */
async function completed(project: Project): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const { raw, keys } of project.shards) {
    for (const [field, text] of Object.entries(await raw.hgetall(keys.workflows))) {
      const end = field.endsWith(" :state") ? parseRunEnd(text) : undefined;
      if (end?.state === "completed") found[field.slice(0, -" :state".length)] = end.detail;
    }
  }
  return found;
}

const adding = (seen: number[]) =>
  ({
    "math:add": ({ payload }: { payload: { n: number } }) => {
      seen.push(payload.n);
      return payload.n + 1;
    },
  }) as never;

test("five workers start one run for each tick, under an id of schedule and tick, and it goes to its end", async () => {
  const names = Array.from({ length: 12 }, (_unused, index) => `nightly-${index}`);
  const project = setup(names.map((name) => ({ ...nightly, name, missed: "all" as const })));
  const last = lastTick();
  for (const name of names) await settledUpTo(project, last - 2 * DAY_MS - 1, name);
  const seen: number[] = [];
  await Promise.all(Array.from({ length: 5 }, () => project.worker(adding(seen))));
  await until("every run to end", async () => Object.keys(await completed(project)).length >= 36);
  const ticks = [2, 1, 0].map((days) => last - days * DAY_MS);
  const expected = names.flatMap((name) => ticks.map((tickMs) => tickJobId(name, tickMs)));
  const runs = await completed(project);
  expect(Object.keys(runs).toSorted()).toEqual(expected.toSorted());
  expect(new Set(Object.values(runs))).toEqual(new Set([9]));
  expect(seen).toHaveLength(72);
});

test("with several shards a run lives beside its schedule, and its id says so", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const project = setup(
    names.map((name) => ({ ...nightly, name })),
    { shards: SHARDS },
  );
  const last = lastTick();
  for (const name of names) await settledUpTo(project, last - 1, name);
  const seen: number[] = [];
  await project.worker(adding(seen));
  await project.worker(adding(seen));
  await until("every run to end", async () => Object.keys(await completed(project)).length >= names.length);
  const states = await Promise.all(names.map((name) => stateOf(project, name)));
  expect(states.map(({ lastJob }) => tickOfJob(lastJob))).toEqual(names.map(() => last));
  expect(states.map(({ lastJob }) => project.router.ofId(lastJob))).toEqual(
    names.map((name) => project.router.ofKey(name)),
  );
  expect(Object.keys(await completed(project)).toSorted()).toEqual(
    states.map(({ lastJob }) => lastJob).toSorted(),
  );
  expect(states.some(({ lastJob }) => /^cron:[a-h]:\d+:/.test(lastJob))).toBe(true);
  expect((await project.client.runEnded(states[0]!.lastJob, 5000))?.detail).toBe(9);
});

test("with overlap: skip a tick waits for no run that goes on, and is left out", async () => {
  const skipping = { ...nightly, overlap: "skip" as const };
  const project = setup([skipping]);
  const last = lastTick();
  const earlier = tickJobId("nightly", last - DAY_MS);
  // As if the tick of the day before had started it: it has a day until its first step.
  const start = new RunStarter(definition).start({
    run: earlier,
    input: { n: 1 },
    now: Date.now(),
    delayMs: DAY_MS,
  });
  await project.client.startRun({ ...start, key: "", keyTtlMs: 0 });
  await settledUpTo(project, last - DAY_MS, "nightly", earlier);
  await project.worker(adding([]));
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === last);
  expect((await stateOf(project)).skipped).toEqual({ atMs: last, reason: "overlap" });
  expect(await project.raw.zrange(project.keys.running, "0", "-1")).toEqual([earlier]);
  expect(project.logger.messages("warn")).toContain(
    "a tick was skipped: paused, or the run before it has not ended",
  );
});

test("jitter delays what the run begins with, and its timeout, and the run is seen from the tick on", async () => {
  const timed = workflow([a], { timeoutMs: 60_000 });
  const project = setup([{ ...nightly, workflow: timed, jitterMs: 30 * DAY_MS }]);
  const last = lastTick();
  await settledUpTo(project, last - 1);
  await project.worker(adding([]), { random: () => 0.5 });
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === last);
  const run = tickJobId("nightly", last);
  const due = project.keys.queue("default").due;
  const [first, timeout] = await Promise.all([
    project.raw.zscore(due, `${run}.a`),
    project.raw.zscore(due, `${run}:timeout`),
  ]);
  const begins = Number(first);
  expect(begins - (last + 15 * DAY_MS)).toBeGreaterThanOrEqual(0);
  expect(begins - (last + 15 * DAY_MS)).toBeLessThan(5000);
  expect(Number(timeout)).toBe(begins + 60_000);
  expect(await project.raw.zrange(project.keys.running, "0", "-1")).toEqual([run]);
});

test("an operator sees what it starts, and its last run", async () => {
  const project = setup([nightly]);
  const last = lastTick();
  await settledUpTo(project, last - 1);
  await project.worker(adding([]));
  await until("the run to end", async () => Object.keys(await completed(project)).length === 1);
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  try {
    const [schedule] = await inspector.listSchedules();
    expect(schedule).toMatchObject({
      name: "nightly",
      workflow: "test:flow",
      queue: "default",
      lastTickAt: last,
      lastJob: tickJobId("nightly", last),
    });
    expect(schedule).not.toHaveProperty("task");
    expect(await inspector.showRun(schedule!.lastJob!)).toMatchObject({ state: "completed", output: 9 });
  } finally {
    inspector.close();
  }
});

/** The worker dies at its nth call to Redis, whichever that is, or has done all before; then another one comes. */
async function playDeath(
  nth: number,
  death: Death,
): Promise<{ died: boolean; runs: string[]; ends: unknown }> {
  const project = setup([nightly]);
  await settledUpTo(project, lastTick() - 1);
  const life = new Life();
  const first = project.newWorker(adding([]), {
    logger: SILENT,
    lease: "60s",
    maxBlock: 0,
    redis: { connectionName: life.connectionName },
  });
  life.worker = first;
  await first.start();
  // The scheduler has sent its first call, and has no answer yet.
  life.endAt(nth, death);
  const isDone = async (): Promise<boolean> => Object.keys(await completed(project)).length > 0;
  await until("the worker to die, or the run to end", async () => life.dead || (await isDone()));
  const died = life.dead;
  if (died) {
    await life.ended.promise;
    await bury(project, first, redis.url);
  }
  await project.worker(adding([]));
  await until("the run to end", isDone);
  await until("the tick to be settled", async () => (await stateOf(project)).lastMs === lastTick());
  const fields = await project.raw.hkeys(project.keys.workflows);
  const runs = fields.filter((field) => !/[ @]/.test(field));
  return { died, runs, ends: await completed(project) };
}

test("a worker that dies at any call, before it is sent or after it was executed, leaves one run of the tick", async () => {
  const run = tickJobId("nightly", lastTick());
  const calls = Array.from({ length: 16 }, (_unused, index) => index + 1);
  const deaths = (["unsent", "unanswered"] as const).flatMap((death) =>
    calls.map((nth) => [nth, death] as const),
  );
  const rounds = await Promise.all(deaths.map(([nth, death]) => playDeath(nth, death)));
  expect(rounds.map(({ runs }) => runs)).toEqual(deaths.map(() => [run]));
  expect(rounds.map(({ ends }) => ends)).toEqual(deaths.map(() => ({ [run]: 9 })));
  expect(rounds.filter(({ died }) => died).length).toBeGreaterThan(16);
}, 60_000);
