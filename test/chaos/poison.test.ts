// Jobs that kill their process, among many that do not. CI runs a few; CHAOS_POISON=10 CHAOS_JOBS=1000 runs more.
import { expect, test } from "vitest";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { byId } from "./effects.js";
import { Fleet } from "./fleet.js";
import { POISON, QUEUES, WORK } from "./tasks.js";

const MANY_POISON = Number(process.env["CHAOS_POISON"] ?? 3);
const MANY_JOBS = Number(process.env["CHAOS_JOBS"] ?? 200);

const redis = await startRedis();
const setup = (): Project => setupProject({ redis, tasks: [WORK, POISON] as never, queues: QUEUES });

test("alone in its worker from the start: three processes, then dead with the evidence", async () => {
  const project = setup();
  const env = { TASKWEFT_WORKER_CONCURRENCY: "1" };
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env });
  const poison = await project.enqueue(POISON, { n: 1 });
  const stop = fleet.keepAlive(1);
  await until("the poison to be dead", async () => (await project.state(poison.id)) === "dead", 30_000);
  expect(await stop()).toBe(3);
  const run = await project.run(poison.id);
  expect([run.attempts, run.crashes]).toEqual([0, 3]);
  expect(run.events.map((event) => event[1])).toEqual(["crashed", "crashed", "alone", "crashed"]);
  const workers = run.events.filter((event) => event[1] === "crashed").map((event) => event[2]);
  expect(new Set(workers).size).toBe(3);
  await expect(poison.result()).rejects.toThrow(/is dead: its worker was lost 3 times/);
}, 60_000);

test.each([
  [1, 300],
  [MANY_POISON, MANY_JOBS],
])(
  "%i among %i jobs, ten at a time in three processes: each takes three along at most, all others finish",
  async (poisonCount, jobCount) => {
    const project = setup();
    const env = { TASKWEFT_WORKER_CONCURRENCY: "10" };
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env });
    const every = Math.floor(jobCount / poisonCount);
    const [poison, innocent]: [string[], string[]] = [[], []];
    for (let n = 0; n < jobCount; n++) {
      if (n % every === 5) poison.push((await project.enqueue(POISON, { n })).id);
      else innocent.push((await project.enqueue(WORK, { n, ms: 20 + (n % 40) })).id);
    }
    const stop = fleet.keepAlive(3);
    const { dead, done } = project.keys;
    await until(
      "all to end",
      async () => (await project.raw.zcard(done)) + (await project.raw.zcard(dead)) === jobCount,
      60_000 + poisonCount * 15_000,
    );
    const kills = await stop();
    const effects = byId(fleet.effects());
    const starts = poison.map((id) => effects.get(id)?.length ?? 0);
    process.stdout.write(
      `poison: ${jobCount} jobs, ${kills} kills, starts of each poison ${starts.join(" ")}\n`,
    );
    expect(await project.raw.zrange(dead, 0, "-1")).toEqual(expect.arrayContaining(poison));
    expect(await project.raw.zcard(dead)).toBe(poison.length);
    for (const id of innocent) expect(await project.state(id)).toBe("completed");
    expect(Math.max(...starts)).toBeLessThanOrEqual(3);
    expect(kills).toBeLessThanOrEqual(3 * poison.length);
    for (const id of poison) {
      const kinds = await project.kinds(id);
      expect(kinds.slice(-2)).toEqual(["alone", "crashed"]);
      expect(kinds.filter((kind) => kind === "crashed")).toHaveLength(3);
    }
  },
  120_000 + MANY_POISON * 15_000,
);
