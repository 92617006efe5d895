// Handlers that block the event loop for longer than the lease. CI runs a few; CHAOS_BLOCKED_JOBS=100 CHAOS_BLOCK_MS=30000 runs a
// hundred that block for half a minute, under the default lease of 15 s.
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Project, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";
import { byId, problemsOf } from "./effects.js";
import { Fleet } from "./fleet.js";
import { BLOCK, QUEUES, WORK } from "./tasks.js";

const JOBS = Number(process.env["CHAOS_BLOCKED_JOBS"] ?? 8);
const BLOCK_MS = Number(process.env["CHAOS_BLOCK_MS"] ?? 4000);
const IS_LONG = BLOCK_MS > 10_000;
/** All block for longer than it. */
const LEASE = IS_LONG ? "15s" : "3s";
/** One in so many burns the processor, the others only block: a machine has few processors, and the heartbeats need some. */
const BURNING = IS_LONG ? 10 : 4;
const PROCESSES = IS_LONG ? 20 : 4;
/** The long form has the default: one process may claim twenty at once. */
const CONCURRENCY = IS_LONG ? "20" : "2";

const redis = await startRedis();
const setup = (): Project => setupProject({ redis, tasks: [BLOCK, WORK] as never, queues: QUEUES });

async function problems(project: Project, fleet: Fleet, ids: readonly string[]): Promise<readonly string[]> {
  const effects = byId(fleet.effects());
  const found = ids.map(async (id) =>
    problemsOf({ id, run: await project.run(id), effects: effects.get(id) ?? [], goneAt: fleet.goneAt }),
  );
  return (await Promise.all(found)).flat();
}

test("a handler that blocks for four leases keeps its job beside a worker that would take it", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env: { TASKWEFT_WORKER_LEASE: "2s" } });
  const workers = await Promise.all([fleet.start(), fleet.start()]);
  // The threads come up beside the workers, and on a busy machine that takes longer than this lease.
  await until("both threads to be there", async () => {
    const clients = (await project.raw.client("LIST")) as string;
    return [...clients.matchAll(/name=taskweft-heartbeat /g)].length === 2;
  });
  const job = await project.enqueue(BLOCK, { n: 1, ms: 8000, idle: true });
  const pid = await within(30_000, "the job to end", job.result());
  const blocked = workers.find((worker) => worker.pid === pid);
  await blocked?.printed(/WARN.*the heartbeat thread kept the lease.*blockedMs=[78]/i);
  expect(await project.run(job.id)).toMatchObject({ crashes: 0, attempts: 1 });
  expect(await problems(project, fleet, [job.id])).toEqual([]);
}, 90_000);

test("jobs that were claimed together and block one after the other: maxBlock is for each, not for all", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env: { TASKWEFT_WORKER_LEASE: "2s" } });
  const payloads = Array.from({ length: 8 }, (_unused, n) => ({ n, ms: 1000, idle: true }));
  const jobs = await project.many(BLOCK, payloads);
  await fleet.start({ TASKWEFT_WORKER_CONCURRENCY: "20", TASKWEFT_WORKER_MAX_BLOCK: "3s" });
  await fleet.start({ TASKWEFT_WORKER_QUEUES: "quiet" });
  await until("all to end", async () => (await project.raw.zcard(project.keys.done)) === jobs.length, 30_000);
  const ids = jobs.map((job) => job.id);
  expect(await problems(project, fleet, ids)).toEqual([]);
  expect(fleet.effects()).toHaveLength(2 * jobs.length);
}, 60_000);

test("what was claimed behind a handler that blocks goes to a worker that is free", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env: { TASKWEFT_WORKER_LEASE: "5s" } });
  const payloads = Array.from({ length: 12 }, (_unused, n) => ({ n, ms: 800, idle: true }));
  const env = { TASKWEFT_WORKER_CONCURRENCY: "20" };
  // Before the jobs: a process takes seconds to start where there is little processor.
  await Promise.all([fleet.start(env), fleet.start(env)]);
  const jobs = await project.many(BLOCK, payloads);
  await until("all to end", async () => (await project.raw.zcard(project.keys.done)) === jobs.length, 30_000);
  const ids = jobs.map((job) => job.id);
  expect(await problems(project, fleet, ids)).toEqual([]);
  // Most of them ran beside another: in turn they would take longer than they do one after the other.
  const times = fleet.effects().map((effect) => effect.at);
  expect(Math.max(...times) - Math.min(...times)).toBeLessThan(0.8 * jobs.length * 800);
}, 60_000);

test("longer than maxBlock: another takes the job over, and what the zombie says is refused", async () => {
  const project = setup();
  const fleet = new Fleet({ url: redis.url, prefix: project.prefix });
  const end = join(mkdtempSync(join(tmpdir(), "weft-zombie-")), "end");
  onTestFinished(() => rm(dirname(end), { recursive: true }));
  const zombie = await fleet.start({ TASKWEFT_WORKER_MAX_BLOCK: "1s", CHAOS_BLOCK_UNTIL: end });
  const job = await project.enqueue(BLOCK, { n: 1, ms: 100 });
  await until("the zombie to start the job", () => fleet.running(zombie.pid) === 1);
  const other = await fleet.start();
  expect(await within(30_000, "the other to finish the job", job.result())).toBe(other.pid);
  expect(fleet.running(zombie.pid)).toBe(1);
  writeFileSync(end, "");
  await within(
    30_000,
    "the zombie to say why",
    zombie.printed(/ERROR.*blocked for too long to keep the lease/i),
  );
  await within(30_000, "the zombie to lose its lease", zombie.printed(/the lease of this worker ended/));
  expect(await project.kinds(job.id)).toEqual(["crashed", "completed"]);
}, 90_000);

test(
  `${JOBS} jobs that block, in ${PROCESSES} processes, beside one that watches: none runs twice`,
  async () => {
    const project = setup();
    const env = { TASKWEFT_WORKER_CONCURRENCY: CONCURRENCY, TASKWEFT_WORKER_LEASE: LEASE };
    const fleet = new Fleet({ url: redis.url, prefix: project.prefix, env });
    await Promise.all([
      ...Array.from({ length: PROCESSES }, () => fleet.start()),
      fleet.start({ TASKWEFT_WORKER_QUEUES: "quiet" }),
    ]);
    const payloads = Array.from({ length: JOBS }, (_unused, n) => ({
      n,
      ms: BLOCK_MS,
      idle: n % BURNING !== 0,
    }));
    const jobs = await project.many(BLOCK, payloads);
    await until(
      "all to end",
      async () => (await project.raw.zcard(project.keys.done)) === JOBS,
      15_000 + JOBS * BLOCK_MS,
    );
    const ids = jobs.map((job) => job.id);
    expect(await problems(project, fleet, ids)).toEqual([]);
    expect(fleet.effects()).toHaveLength(2 * JOBS);
    process.stdout.write(`blocked loops: ${JOBS} jobs of ${BLOCK_MS} ms in ${PROCESSES} processes\n`);
  },
  40_000 + JOBS * BLOCK_MS,
);
