// Redis stands still for several leases' time while every worker is healthy: nothing may run twice.
// CHAOS_STALL_LEASE_MS=15000 CHAOS_STALL_MS=45000 plays it with the default lease.
import { expect, test } from "vitest";
import { setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until } from "../support/signal.js";
import { byId, problemsOf } from "./effects.js";
import { Fleet } from "./fleet.js";
import { QUEUES, WORK } from "./tasks.js";

const JOBS = 50;
const LEASE_MS = Number(process.env["CHAOS_STALL_LEASE_MS"] ?? 1500);
const STALL_MS = Number(process.env["CHAOS_STALL_MS"] ?? 4 * LEASE_MS);
/** Each job runs from before the stall until some leases after it. */
const JOB_MS = STALL_MS + 4 * LEASE_MS;

test(
  "fifty long jobs in two processes, and a third process that starts as soon as Redis is back",
  async () => {
    const redis = await startRedis();
    const project = setupProject({ redis, tasks: [WORK] as never, queues: QUEUES });
    const env = { TASKWEFT_WORKER_CONCURRENCY: "25", TASKWEFT_WORKER_LEASE: `${LEASE_MS}ms` };
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env });
    const workers = await Promise.all([fleet.start(), fleet.start()]);
    const payloads = Array.from({ length: JOBS }, (_unused, n) => ({ n, ms: JOB_MS }));
    const ids = (await project.many(WORK, payloads)).map((job) => job.id);
    await until("all to run", () => fleet.effects().length === JOBS);
    redis.pause();
    const end = performance.now() + STALL_MS;
    const third = fleet.start();
    await until("the stall to last", () => performance.now() > end, 2 * STALL_MS);
    redis.resume();
    await third;
    const { dead, done } = project.keys;
    await until("all to end", async () => (await project.raw.zcard(done)) === JOBS, 2 * JOB_MS);
    const effects = byId(fleet.effects());
    const problems = ids.map(async (id) =>
      problemsOf({ id, run: await project.run(id), effects: effects.get(id) ?? [], goneAt: fleet.goneAt }),
    );
    expect((await Promise.all(problems)).flat()).toEqual([]);
    expect(fleet.effects()).toHaveLength(2 * JOBS);
    expect(await project.raw.zcard(dead)).toBe(0);
    for (const worker of workers) expect(worker.output()).not.toMatch(/ERROR/);
    process.stdout.write(`stall: ${JOBS} jobs of ${JOB_MS} ms, Redis stopped for ${STALL_MS} ms\n`);
  },
  30_000 + 12 * LEASE_MS + 2 * STALL_MS,
);
