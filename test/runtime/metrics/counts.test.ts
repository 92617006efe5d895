// What is counted, against what was done: exact for every way in which an attempt can end.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import { metricsText, createWorker, type TaskContext } from "../../../runtime/index.js";
import type { TaskContract } from "../../../runtime/generated-v1.js";
import { type Exposition, parseExposition } from "../../support/exposition.js";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import type { TaskParts } from "../../support/task.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { inProcess } from "../../cli/weft.js";
import { NORMAL, QUEUES, registry, TASKS, THREAD } from "../worker/isolated-registry.js";

const redis = await startRedis();
const retry = { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } } as const;

/** The process counts for all tests of the file: each has a task of its own. */
function ownTask(parts: TaskParts<{ n: number }, unknown> = {}): TaskContract<{ n: number }, unknown> {
  return defineTask<{ n: number }, unknown>(`t${randomBytes(4).toString("hex")}:work`, parts);
}

async function read(): Promise<Exposition> {
  return parseExposition(await metricsText());
}

/** Values of the counters of one task, by their names without prefix and suffix; those that are 0 are left out. */
async function countsOf({ name: task }: { readonly name: string }, queue = "default") {
  const metrics = await read();
  const found: Record<string, number> = {};
  for (const [family, type] of metrics.types) {
    if (type !== "counter") continue;
    for (const labels of metrics.labels(family)) {
      const { task: of, queue: at, ...rest } = labels;
      const value = metrics.value(family, labels);
      const name = [family.slice("taskweft_job_".length, -"_total".length), ...Object.values(rest)].join(" ");
      if (of === task && at === queue && value > 0) found[name] = value;
    }
  }
  return found;
}

async function observed(name: "duration" | "queue_latency", task: { readonly name: string }) {
  const labels = { task: task.name, queue: "default" };
  const metrics = await read();
  const value = (part: string): number => metrics.value(`taskweft_job_${name}_seconds_${part}`, labels);
  return { count: value("count"), sum: value("sum") };
}

const numbers = (count: number): { n: number }[] => Array.from({ length: count }, (_unused, n) => ({ n }));

test("attempts that complete, are tried again and go dead", async () => {
  class Declined extends Error {
    override readonly name = "Declined";
  }
  const task = ownTask({ retry, errors: { Declined: { retry: "never" } } });
  const project = setupProject({ redis, tasks: [task] as never });
  await project.worker({
    [task.name]: ({ payload, attempt }: { payload: { n: number }; attempt: number }) => {
      if (payload.n === 9) throw new TypeError("always");
      if (payload.n === 8) throw new Declined("no");
      if (payload.n >= 6 && attempt === 1) throw new RangeError("once");
    },
  } as never);
  const jobs = await project.many(task, numbers(10));
  await within(9000, "the end of all", Promise.allSettled(jobs.map((job) => job.result())));
  expect(await countsOf(task)).toEqual({
    queued: 10,
    "executed completed": 8,
    "executed retry": 3,
    "executed dead": 2,
    "failed RangeError": 2,
    "failed Declined": 1,
    "failed TypeError": 2,
    retry_attempts: 3,
  });
  expect((await observed("duration", task)).count).toBe(13);
  expect((await observed("queue_latency", task)).count).toBe(10);
});

test("attempts that sleep, wait, are cancelled, run too long, and give a result that does not fit", async () => {
  const task = ownTask({ timeoutMs: 60_000, waitsFor: { "a:event": ["id"] } });
  type Waits = { "a:event": { event: { id: number }; by: "id" } };
  const project = setupProject({ redis, tasks: [task] as never });
  const running = signal();
  await project.worker(
    {
      [task.name]: async ({ payload }: { payload: { n: number } }, ctx: TaskContext<Waits>) => {
        if (payload.n === 0) await ctx.sleep("a little", "500ms");
        if (payload.n === 4) await ctx.waitFor("in vain", "a:event", { where: { id: 1 }, timeout: "20ms" });
        if (payload.n === 1) {
          running.send();
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
          throw new Error("told to stop");
        }
        if (payload.n === 2) return "x".repeat(2000);
        if (payload.n === 3) await new Promise(() => undefined);
        return undefined;
      },
    } as never,
    { maxResult: 1000 },
  );
  const slept = await project.enqueue(task, { n: 0 });
  const cancelled = await project.enqueue(task, { n: 1 });
  const large = await project.enqueue(task, { n: 2 });
  const slow = await project.enqueue(task, { n: 3 }, { timeout: "20ms" });
  await within(9000, "the job to run", running.promise);
  await project.raw.sadd(project.keys.cancels, cancelled.id);
  const waited = await project.enqueue(task, { n: 4 });
  const all = [slept, cancelled, large, slow, waited];
  await within(9000, "all", Promise.allSettled(all.map((job) => job.result())));
  expect(await countsOf(task)).toEqual({
    queued: 5,
    "executed completed": 2,
    "executed slept": 1,
    "executed waited": 1,
    "executed cancelled": 1,
    "executed dead": 2,
    "failed ResultTooLarge": 1,
    "failed TimeoutExceeded": 1,
  });
});

test("the name of an error that is made of something sensitive is counted without it", async () => {
  const task = ownTask({ sensitive: [["card"]] });
  const project = setupProject({ redis, tasks: [task] as never });
  await project.worker({
    [task.name]: ({ payload }: { payload: { card: string } }) => {
      throw Object.assign(new Error("declined"), { name: `Declined ${payload.card}` });
    },
  } as never);
  await rejection((await project.enqueue(task, { n: 1, card: "4111 1111" } as never)).result());
  expect(await countsOf(task)).toMatchObject({ "failed Declined ***": 1 });
});

test("attempts that are handed back, and go on elsewhere", async () => {
  const task = ownTask({ timeoutMs: 60_000 });
  const project = setupProject({ redis, tasks: [task] as never });
  const running = signal();
  const first = await project.worker({
    [task.name]: async (_job: unknown, ctx: TaskContext) => {
      running.send();
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      throw ctx.signal.reason as Error;
    },
  } as never);
  const job = await project.enqueue(task, { n: 0 });
  await within(9000, "the job to run", running.promise);
  await first.stop();
  await project.worker({ [task.name]: () => "there" });
  expect(await within(9000, "the result", job.result())).toBe("there");
  expect(await countsOf(task)).toEqual({ queued: 1, "executed handed-back": 1, "executed completed": 1 });
});

test("jobs of a worker that is gone, and attempts whose lease was lost", async () => {
  const task = ownTask();
  const project = setupProject({ redis, tasks: [task] as never });
  const jobs = await project.many(task, numbers(3));
  // As after a claim whose worker died.
  for (const { id } of jobs) await project.raw.hset(project.keys.active, id, "ghost");
  await project.raw.del(project.keys.queue("default").pending);
  await project.raw.zadd(project.keys.leases, 1, "ghost");
  await project.worker({ [task.name]: () => undefined });
  await within(9000, "the end of all", Promise.all(jobs.map((job) => job.result())));
  expect(await countsOf(task)).toEqual({ queued: 3, crashed: 3, "executed completed": 3 });
  // Attempts after a crash say nothing of how long the job waited.
  expect((await observed("queue_latency", task)).count).toBe(0);
});

test("jobs that are dead because they have lost too many workers, also where nobody here runs them", async () => {
  const task = ownTask();
  const project = setupProject({ redis, tasks: [task] as never });
  const job = await project.enqueue(task, { n: 1 });
  const { keys, raw } = project;
  await raw.del(keys.queue("default").pending);
  // As when it has lost two, and runs alone.
  await raw.hset(keys.runs, job.id, `[0,2,"retry",null,[[${Date.now()},"alone","ghost"]]]`);
  await raw.hset(keys.active, job.id, "ghost");
  await raw.zadd(keys.leases, 1, "ghost");
  await project.worker({});
  await rejection(job.result());
  await until("the counts", async () => "crashed" in (await countsOf(task)));
  expect(await countsOf(task)).toEqual({ queued: 1, crashed: 1, "executed dead": 1 });
  expect(project.logger.messages("warn")).toContain("job is dead");
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const { stdout } = await inProcess(["jobs", "list"], { cwd: tmpdir(), env });
  expect(stdout).toContain("its worker was lost 3 times");
});

test("what alerts ask for is there before it has happened, so that the first one is an increase", async () => {
  const task = ownTask();
  const project = setupProject({ redis, tasks: [task] as never });
  await project.worker({ [task.name]: () => undefined });
  const metrics = await read();
  expect(metrics.has("taskweft_worker_leases_lost_total")).toBe(true);
  const operations = metrics.labels("taskweft_worker_redis_errors_total").map(({ operation }) => operation);
  expect(operations).toEqual(
    expect.arrayContaining(["claim", "discard", "hand-back", "heartbeat", "outcome", "read", "reconcile"]),
  );
  const labels = { task: task.name, queue: "default" };
  expect(metrics.value("taskweft_job_crashed_total", labels)).toBe(0);
  expect(metrics.value("taskweft_job_executed_total", { ...labels, outcome: "dead" })).toBe(0);
  await project.enqueue(task, { n: 0 });
  const refused = await read();
  for (const code of ["Draining", "OutcomeUnknown", "QueueFull", "RedisFull", "RedisUnavailable"])
    expect(refused.value("taskweft_job_enqueue_failed_total", { ...labels, code })).toBe(0);
});

test("a lease that was lost", async () => {
  const task = ownTask({ timeoutMs: 60_000 });
  const project = setupProject({ redis, tasks: [task] as never });
  const before = await leasesLost();
  let runs = 0;
  const running = signal();
  const worker = await project.worker({
    [task.name]: async (_job: unknown, ctx: TaskContext) => {
      runs += 1;
      if (runs > 1) return;
      running.send();
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
  } as never);
  const job = await project.enqueue(task, { n: 0 });
  await within(9000, "the job to run", running.promise);
  await project.raw.zadd(project.keys.leases, 0, worker.name);
  await within(15_000, "the second run", job.result());
  expect(await countsOf(task)).toMatchObject({ "executed lost": 1, "executed completed": 1, crashed: 1 });
  expect(await leasesLost()).toBe(before + 1);
});

async function leasesLost(): Promise<number> {
  const metrics = await read();
  const name = "taskweft_worker_leases_lost_total";
  return metrics.has(name) ? metrics.value(name) : 0;
}

test("each job of a batch", async () => {
  const task = ownTask({ batch: { size: 10, withinMs: 20_000 }, retry });
  const project = setupProject({ redis, tasks: [task] as never });
  let calls = 0;
  await project.worker(
    {},
    {
      batches: {
        [task.name]: (jobs, ctx) => {
          calls += 1;
          for (const job of jobs) {
            const { n } = job.payload as { n: number };
            if (n < 3 && job.attempt === 1) ctx.fail(job, new RangeError("once"));
          }
        },
      },
    },
  );
  // The three that fail make a batch with the last seven.
  const jobs = await project.many(task, numbers(27));
  await within(15_000, "the end of all", Promise.all(jobs.map((job) => job.result())));
  expect(calls).toBe(3);
  expect(await countsOf(task)).toEqual({
    queued: 27,
    "executed completed": 27,
    "executed retry": 3,
    "failed RangeError": 3,
    retry_attempts: 3,
  });
  expect((await observed("duration", task)).count).toBe(30);
});

test("handlers in threads, and what they enqueue there", async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const worker = createWorker(registry, {
    url: redis.url,
    prefix: project.prefix,
    logger: project.logger,
    queues: ["default"],
  });
  onTestFinished(() => worker.stop());
  await worker.start();
  const orders = ["where", "where", "declined", "spawns"].map((what) => ({ do: what }));
  const jobs = await Promise.all(orders.map((order) => project.enqueue(THREAD, order)));
  await within(30_000, "the end of all", Promise.allSettled(jobs.map((job) => job.result())));
  await until("the child", async () => (await countsOf(NORMAL))["executed completed"] === 1);
  expect(await countsOf(THREAD)).toEqual({
    queued: 4,
    "executed completed": 3,
    "executed dead": 1,
    "failed CardDeclined": 1,
  });
  expect(await countsOf(NORMAL)).toEqual({ queued: 1, "executed completed": 1 });
}, 60_000);

describe("enqueues are counted", () => {
  test("by what came of them, in the queue into which they went", async () => {
    const task = ownTask({
      idempotency: { ttlMs: 60_000, onDead: "hold" },
      idempotencyKey: ({ n }) => String(n),
    });
    const queues = [
      { name: "default", weight: 1 },
      { name: "narrow", weight: 1, maxPending: 2 },
    ];
    const project = setupProject({ redis, tasks: [task] as never, queues });
    await project.many(task, [{ n: 1 }, { n: 2 }, { n: 1 }]);
    await project.enqueue(task, { n: 3 }, { id: "own" });
    await project.enqueue(task, { n: 3 }, { id: "own" });
    await rejection(project.enqueue(task, { n: 4 }, { id: "own" }));
    for (const n of [5, 6]) await project.enqueue(task, { n }, { queue: "narrow" });
    await rejection(project.enqueue(task, { n: 7 }, { queue: "narrow" }));
    expect(await countsOf(task)).toEqual({ queued: 3, deduplicated: 2, "enqueue_failed IdConflict": 1 });
    expect(await countsOf(task, "narrow")).toEqual({ queued: 2, "enqueue_failed QueueFull": 1 });
  });
});

describe("how long a job has waited", () => {
  test("counts from when it was due, not from when it was made", async () => {
    const task = ownTask();
    const project = setupProject({ redis, tasks: [task] as never });
    const from = Date.now();
    await project.enqueue(task, { n: 1 }, { delay: "400ms" });
    const worker = await project.worker({ [task.name]: () => undefined });
    await until("the end", async () => (await countsOf(task))["executed completed"] === 1);
    await worker.stop();
    const { count, sum } = await observed("queue_latency", task);
    expect(count).toBe(1);
    expect(sum * 1000).toBeLessThanOrEqual(Date.now() - from - 400 + 5);
  });

  test("is that of the time that was asked for, also when it lies in the past", async () => {
    const task = ownTask();
    const project = setupProject({ redis, tasks: [task] as never });
    const job = await project.enqueue(task, { n: 1 }, { runAt: new Date(Date.now() - 60_000) });
    await project.worker({ [task.name]: () => undefined });
    await within(9000, "the end", job.result());
    const { count, sum } = await observed("queue_latency", task);
    expect([count, Math.floor(sum / 10)]).toEqual([1, 6]);
  });

  test("is not known of a delayed job under an id of the caller's own, which may be asked for again with another delay", async () => {
    const task = ownTask();
    const project = setupProject({ redis, tasks: [task] as never });
    const job = await project.enqueue(task, { n: 1 }, { id: "mine", delay: "20ms" });
    expect((await project.enqueue(task, { n: 1 }, { id: "mine", delay: "10ms" })).deduplicated).toBe(true);
    await project.worker({ [task.name]: () => undefined });
    await within(9000, "the end", job.result());
    expect((await observed("queue_latency", task)).count).toBe(0);
    expect((await observed("duration", task)).count).toBe(1);
  });
});
