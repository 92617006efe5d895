// Batches that are told to stop, gathering or running: timeout, cancel, shutdown, a lost lease, a killed process, no free slot.
import { describe, expect, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { NEW_RUN, encodeRun } from "../../../runtime/protocol/index.js";
import { type CancelReply, cancel } from "../../../runtime/scripts/index.js";
import type { BatchContext, Job } from "../../../runtime/worker/index.js";
import { compiled } from "../../support/compiled.js";
import { type RunningProgram, startCompiled } from "../../support/process.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { BATCHED, QUEUES } from "./batching-task.js";

const redis = await startRedis();
const ENTRY = await compiled(new URL("batching-process.ts", import.meta.url));

const retry = { maxRetries: 3, backoff: { type: "fixed", delayMs: 60_000, jitter: "none" } } as const;
const three = defineTask("three:work", { batch: { size: 3, withinMs: 60_000 }, retry });
const brief = defineTask("brief:work", { batch: { size: 3, withinMs: 60_000 }, timeoutMs: 100 });
const soon = defineTask("soon:work", { batch: { size: 100, withinMs: 150 } });
const single = defineTask("single:work", { timeoutMs: 60_000 });
const setup = (): Project => setupProject({ redis, tasks: [three, brief, soon, single, BATCHED] as never });

async function cancelJob(project: Project, id: string): Promise<CancelReply> {
  const connection = new Connection({ url: redis.url }, "test");
  try {
    return await cancel(connection, { keys: project.keys, id, queue: "default", keepMs: 60_000 });
  } finally {
    connection.disconnect();
  }
}

/** Rejects when the signal aborts, as well-behaved handlers do. */
function untilAborted(ctx: BatchContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    ctx.signal.addEventListener("abort", () => reject(ctx.signal.reason as Error));
  });
}

function idsOf(jobs: readonly Job[]): string[] {
  return jobs.map(({ id }) => id);
}

async function gathered(project: Project, ids: readonly string[]): Promise<void> {
  for (const id of ids)
    await until("the job to be claimed", async () => (await project.state(id)) === "active");
}

const payloads = (count: number): { n: number }[] => Array.from({ length: count }, (_unused, n) => ({ n }));

describe("a running batch", () => {
  test.each([
    ["listens", (ctx: BatchContext) => untilAborted(ctx)],
    ["is deaf", () => new Promise<never>(() => undefined)],
  ])("that runs longer than the timeout fails as a whole, when its handler %s", async (_name, work) => {
    const project = setup();
    let calls = 0;
    await project.worker(
      {},
      { batches: { "brief:work": (_jobs, ctx) => (++calls === 1 ? work(ctx) : undefined) }, concurrency: 1 },
    );
    const jobs = await project.many(brief, payloads(3));
    for (const job of jobs)
      expect((await rejection(job.result({ timeout: "30s" }))).message).toMatch(/TimeoutExceeded.*100 ms/s);
    // The slot is free again.
    const more = await project.many(brief, payloads(3));
    await within(3000, "the next batch", Promise.all(more.map((job) => job.result())));
    expect(calls).toBe(2);
  });

  test("goes on when one of its jobs is cancelled, whose outcome counts, but not for a retry", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    let aborted = true;
    await project.worker(
      {},
      {
        batches: {
          "three:work": async (jobs, ctx) => {
            started.send();
            await go.promise;
            aborted = ctx.signal.aborted;
            ctx.fail(jobs[1]!, new Error("would be retried"));
          },
        },
      },
    );
    const jobs = await project.many(three, payloads(3));
    await started.promise;
    for (const job of jobs.slice(0, 2)) expect(await cancelJob(project, job.id)).toBe("REQUESTED");
    const end = performance.now() + 1800;
    await until("more time than a deaf handler of a single job is given", () => performance.now() > end);
    expect(await project.state(jobs[0]!.id)).toBe("active");
    go.send();
    await Promise.all([jobs[0]!.result(), jobs[2]!.result()]);
    await expect(jobs[1]!.result()).rejects.toThrow(/was cancelled/);
    expect(aborted).toBe(false);
    expect(await project.raw.exists(project.keys.cancels)).toBe(0);
  });

  test("is told to stop when all its jobs are cancelled", async () => {
    const project = setup();
    const started = signal();
    let reason: unknown;
    await project.worker(
      {},
      {
        batches: {
          "three:work": async (_jobs, ctx) => {
            started.send();
            await untilAborted(ctx).catch((error: unknown) => {
              reason = error;
              throw error;
            });
          },
        },
      },
    );
    const jobs = await project.many(three, payloads(3));
    await started.promise;
    for (const job of jobs) await cancelJob(project, job.id);
    for (const job of jobs) await expect(job.result({ timeout: "30s" })).rejects.toThrow(/was cancelled/);
    expect((reason as Error).name).toBe("Cancelled");
    for (const job of jobs) expect(await project.kinds(job.id)).toEqual(["cancelled"]);
  });

  test("goes back unspent when the grace of a shutdown is over", async () => {
    const project = setup();
    const started = signal();
    const worker = await project.worker(
      {},
      {
        batches: {
          "three:work": async (_jobs, ctx) => {
            started.send();
            await untilAborted(ctx);
          },
        },
        grace: "20ms",
      },
    );
    const jobs = await project.many(three, payloads(3));
    await started.promise;
    await within(3000, "the worker to stop", worker.stop());
    const attempts: number[] = [];
    await project.worker(
      {},
      { batches: { "three:work": (again) => void attempts.push(...again.map(({ attempt }) => attempt)) } },
    );
    await within(3000, "all to end elsewhere", Promise.all(jobs.map((job) => job.result())));
    expect(attempts).toEqual([1, 1, 1]);
  });
});

describe("jobs that gather", () => {
  test("are dropped out when they are cancelled, and the others go on to gather", async () => {
    const project = setup();
    const calls: string[][] = [];
    await project.worker({}, { batches: { "three:work": (jobs) => void calls.push(idsOf(jobs)) } });
    const [first, second] = await project.many(three, payloads(2));
    await gathered(project, [first!.id, second!.id]);
    expect(await cancelJob(project, first!.id)).toBe("REQUESTED");
    await expect(first!.result({ timeout: "30s" })).rejects.toThrow(/was cancelled/);
    expect(await project.kinds(first!.id)).toEqual(["cancelled"]);
    const more = await project.many(three, payloads(2));
    await within(3000, "the others to end", Promise.all([second, ...more].map((job) => job!.result())));
    expect(calls.map((ids) => ids.toSorted())).toEqual([[second!.id, ...idsOf(more as never)].toSorted()]);
  });

  test("go back unspent at once when the worker stops, while its handlers still run", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    const worker = await project.worker(
      {
        "single:work": async () => {
          started.send();
          await go.promise;
        },
      },
      { batches: { "three:work": () => undefined }, grace: "20s" },
    );
    const running = await project.enqueue(single, { n: 1 });
    const jobs = await project.many(three, payloads(2));
    await started.promise;
    await gathered(project, idsOf(jobs as never));
    const stopping = worker.stop();
    const attempts: number[] = [];
    await project.worker(
      {},
      { batches: { "three:work": (again) => void attempts.push(...again.map(({ attempt }) => attempt)) } },
    );
    const third = await project.enqueue(three, { n: 3 });
    await within(3000, "all to run elsewhere", Promise.all([...jobs, third].map((job) => job.result())));
    expect(attempts).toEqual([1, 1, 1]);
    go.send();
    await within(3000, "the worker to stop", stopping);
    await running.result();
  });

  test("are forgotten when the lease is lost, and run once, elsewhere", async () => {
    const project = setup();
    const link = await startProxy(redis.port);
    const [ofFirst, ofOther]: [string[], string[]] = [[], []];
    const noted = (ran: string[]) => ({
      batches: { "three:work": (jobs: readonly Job[]) => void ran.push(...idsOf(jobs)) },
    });
    await project.worker({}, { ...noted(ofFirst), url: link.url });
    const jobs = await project.many(three, payloads(2));
    await gathered(project, idsOf(jobs as never));
    link.stall();
    const other = await project.worker({}, noted(ofOther));
    await until(
      "the other to have taken them over",
      async () => (await project.raw.hget(project.keys.active, jobs[0]!.id)) === other.name,
    );
    link.heal();
    await until("the first to know", () =>
      project.logger.messages("error").some((message) => message.includes("the lease of this worker ended")),
    );
    // Which of the two takes a job is open, so more come until each has had enough for a batch.
    await until("a batch of each", async () => {
      await project.enqueue(three, { n: 3 });
      return ofFirst.length > 0 && ofOther.length > 0;
    });
    expect(ofOther).toEqual(expect.arrayContaining(idsOf(jobs as never)));
    const ran = [...ofFirst, ...ofOther];
    expect(new Set(ran).size).toBe(ran.length);
  });

  test("wait 100 ms for a slot when they are complete, and then go to a worker that has one", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    const busy = await project.worker(
      {
        "single:work": async () => {
          started.send();
          await go.promise;
        },
      },
      { batches: { "soon:work": () => undefined }, concurrency: 1 },
    );
    const jobs = await project.many(soon, payloads(4));
    await gathered(project, idsOf(jobs as never));
    const hold = await project.enqueue(single, { n: 1 });
    await started.promise;
    const calls: string[][] = [];
    await project.worker({}, { batches: { "soon:work": (all) => void calls.push(idsOf(all)) } });
    await within(3000, "them to run elsewhere", Promise.all(jobs.map((job) => job.result())));
    expect(calls.flat().toSorted()).toEqual(idsOf(jobs as never).toSorted());
    expect(busy.name).not.toBe("");
    go.send();
    await hold.result();
  });

  test("make room for a suspect, which runs as a batch of one", async () => {
    const project = setup();
    const calls: string[][] = [];
    await project.worker({}, { batches: { "three:work": (jobs) => void calls.push(idsOf(jobs)) } });
    const jobs = await project.many(three, payloads(2));
    await gathered(project, idsOf(jobs as never));
    const suspect = await project.enqueue(three, { n: 9 }, { delay: "1h" });
    await project.raw.hset(project.keys.runs, suspect.id, encodeRun({ ...NEW_RUN, crashes: 2 }));
    const { due, pending, wake } = project.keys.queue("default");
    await project.raw
      .multi()
      .zrem(due, suspect.id)
      .rpush(pending, suspect.id)
      .del(wake)
      .lpush(wake, "1")
      .exec();
    await within(5000, "the suspect to end", suspect.result());
    const third = await project.enqueue(three, { n: 3 });
    await within(5000, "the others to end", Promise.all([...jobs, third].map((job) => job.result())));
    expect(calls.map((ids) => ids.length)).toEqual([1, 3]);
    expect(await project.kinds(suspect.id)).toEqual(["alone", "completed"]);
  });
});

test("workers that come and go under load lose nothing and run nothing twice, batches beside single jobs", async () => {
  const keyed = defineTask<{ n: number }>("keyed:work", {
    batch: { size: 7, withinMs: 20 },
    batchKey: ({ n }) => String(n % 5),
  });
  const project = setupProject({ redis, tasks: [single, soon, keyed] as never });
  const runs = new Map<string, number>();
  const ran = async (...jobs: readonly Job[]): Promise<void> => {
    for (const { id } of jobs) runs.set(id, (runs.get(id) ?? 0) + 1);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const handlers = { "single:work": (job: Job) => ran(job) };
  const batches = {
    "soon:work": (jobs: readonly Job[]) => ran(...jobs),
    "keyed:work": (jobs: readonly Job[]) => ran(...jobs),
  };
  const handles = await Promise.all(
    payloads(3000).map((payload) => project.enqueue([single, soon, keyed][payload.n % 3]!, payload)),
  );
  await project.worker(handlers, { batches, concurrency: 1 });
  for (let round = 0; round < 10; round++) {
    const before = runs.size;
    const worker = await project.worker(handlers, { batches, concurrency: 3, grace: "5s" });
    await until("some progress", () => runs.size >= Math.min(3000, before + 50));
    await within(5000, "the worker to stop", worker.stop());
  }
  await within(20_000, "all to end", Promise.all(handles.map((handle) => handle.result({ timeout: "20s" }))));
  expect(runs.size).toBe(3000);
  expect([...runs.values()].filter((count) => count !== 1)).toEqual([]);
}, 60_000);

function startWorker(project: Project, hangs: boolean): RunningProgram {
  return startCompiled(ENTRY, {
    TASKWEFT_REDIS_URL: redis.url,
    TASKWEFT_PREFIX: project.prefix,
    TASKWEFT_WORKER_LEASE: "1s",
    HANGS: hangs ? "1" : "",
  });
}

test("a process that is killed in a batch: all its jobs run again elsewhere", async () => {
  const project = setupProject({ redis, tasks: [BATCHED] as never, queues: QUEUES });
  const first = startWorker(project, true);
  const jobs = await project.many(BATCHED, payloads(BATCHED.batch?.size ?? 0));
  await first.printed(/a batch of 50 hangs/);
  first.signal("SIGKILL");
  await first.ended;
  const second = startWorker(project, false);
  const results = await Promise.all(jobs.map((job) => job.result({ timeout: "20s" })));
  expect(new Set(results)).toEqual(new Set([second.pid]));
  for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["crashed", "completed"]);
}, 60_000);
