// Batches: one call of the handler for many jobs, each of which keeps its own attempts, outcome and end.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { type EnqueueOptions, PermanentError } from "../../../runtime/index.js";
import type { BatchContext, Job } from "../../../runtime/worker/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const redis = await startRedis();
type Jobs = readonly Job<never>[];

const retry = { maxRetries: 2, backoff: { type: "fixed", delayMs: 0, jitter: "none" } } as const;
const numbered = z.looseObject({ n: z.number() });
const bulk = defineTask("bulk:work", {
  batch: { size: 100, withinMs: 10_000 },
  payload: numbered,
  retry,
  errors: { Refused: { retry: "never" } },
});
const quick = defineTask("quick:batch", { batch: { size: 10, withinMs: 100 }, payload: numbered, retry });
const keyed = defineTask<{ n: number; tenant: string }>("keyed:work", {
  batch: { size: 10, withinMs: 1000 },
  batchKey: ({ tenant }) => tenant,
});
const summed = defineTask<{ n: number }, { square: number }>("summed:work", {
  batch: { size: 5, withinMs: 5000 },
  result: z.object({ square: z.number() }),
});
const single = defineTask("single:work", { timeoutMs: 60_000 });
const setup = (): Project => setupProject({ redis, tasks: [bulk, quick, keyed, summed, single] as never });

function numbers(count: number): { n: number }[] {
  return Array.from({ length: count }, (_unused, n) => ({ n }));
}

/** A handler that keeps what it was called with. */
function recorder(): { calls: Jobs[]; handler: (jobs: Jobs) => void } {
  const calls: Jobs[] = [];
  return { calls, handler: (jobs) => void calls.push(jobs) };
}

function numbersOf(jobs: Jobs): number[] {
  return jobs.map((job) => (job.payload as { n: number }).n).toSorted((a, b) => a - b);
}

class Refused extends Error {
  override readonly name = "Refused";
}

describe("a batch is called", () => {
  test.each([1, 20])("as soon as its size is reached, concurrency %i", async (concurrency) => {
    const project = setup();
    const { calls, handler } = recorder();
    await project.worker({}, { batches: { "bulk:work": handler }, concurrency });
    const jobs = await project.many(bulk, numbers(300));
    await within(9000, "all to end", Promise.all(jobs.map((job) => job.result())));
    expect(calls.map((call) => call.length)).toEqual([100, 100, 100]);
    expect(calls.flatMap(numbersOf).toSorted((a, b) => a - b)).toEqual(numbers(300).map(({ n }) => n));
    for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["completed"]);
  });

  test("with fewer when the first has waited long enough, and idle workers get none of them meanwhile", async () => {
    const task = { ...bulk, batch: { size: 100, withinMs: 700 } };
    const project = setupProject({ redis, tasks: [task] as never });
    const [busy, idle] = [recorder(), recorder()];
    await project.worker({}, { batches: { "bulk:work": busy.handler } });
    const startedAt = performance.now();
    const jobs = await project.many(task, numbers(3));
    await until("them to be claimed", async () => (await project.state(jobs[2]?.id ?? "")) === "active");
    await project.worker({}, { batches: { "bulk:work": idle.handler } });
    await Promise.all(jobs.map((job) => job.result()));
    expect(performance.now() - startedAt).toBeGreaterThan(650);
    expect(busy.calls.map(numbersOf)).toEqual([[0, 1, 2]]);
    expect(idle.calls).toEqual([]);
  });

  test("at once with a whole backlog that has waited already", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    const jobs = await project.many(bulk, numbers(60), { runAt: Date.now() - 3_600_000 });
    await project.worker({}, { batches: { "bulk:work": handler } });
    await within(9000, "all to end", Promise.all(jobs.map((job) => job.result())));
    expect(calls.map((call) => call.length)).toEqual([60]);
  });

  test.each<EnqueueOptions>([{ runAt: Date.now() - 1 }, { delay: "1ms" }])(
    "with others for whom a job waits from when it is due, not from when it was made: %o",
    async (when) => {
      const task = { ...bulk, batch: { size: 2, withinMs: 10_000 } };
      const project = setupProject({ redis, tasks: [task] as never });
      const { calls, handler } = recorder();
      const first = await project.enqueue(task, { n: 0 }, { id: "made-long-ago", ...when });
      const record = (await project.raw.hget(project.keys.jobs, first.id)) ?? "";
      const madeAt = Date.now() - 3_600_000;
      const past = record.replace(/"at":\d+/, `"at":${madeAt}`).replace('"delayMs":1', '"delayMs":3600000');
      await project.raw.hset(project.keys.jobs, first.id, past);
      await project.worker({}, { batches: { "bulk:work": handler } });
      await until("the first to be claimed", async () => (await project.state(first.id)) === "active");
      const second = await project.enqueue(task, { n: 1 }, { delay: "400ms" });
      await within(9000, "both to end", Promise.all([first.result(), second.result()]));
      expect(calls.map(numbersOf)).toEqual([[0, 1]]);
    },
  );

  test("before it is too late for one of its jobs", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    await project.worker({}, { batches: { "bulk:work": handler } });
    const jobs = [
      await project.enqueue(bulk, { n: 0 }),
      await project.enqueue(bulk, { n: 1 }, { startWithin: "1s" }),
    ];
    await within(3000, "both to end", Promise.all(jobs.map((job) => job.result())));
    expect(calls.map(numbersOf)).toEqual([[0, 1]]);
  });

  test("for each key by itself", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    await project.worker({}, { batches: { "keyed:work": handler }, concurrency: 3 });
    const payloads = numbers(63).map(({ n }) => ({ n, tenant: `t${n % 3}` }));
    const jobs = await project.many(keyed, payloads);
    await within(9000, "all to end", Promise.all(jobs.map((job) => job.result())));
    for (const call of calls)
      expect(new Set(call.map((job) => (job.payload as { tenant: string }).tenant)).size).toBe(1);
    expect(calls.map((call) => call.length)).toEqual([10, 10, 10, 10, 10, 10, 1, 1, 1]);
  });

  test("for many keys one after the other in one slot, without making them wait anew", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    const slot = async (jobs: Jobs): Promise<void> => {
      handler(jobs);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    };
    await project.worker({}, { batches: { "keyed:work": slot }, concurrency: 1 });
    const jobs = await project.many(
      keyed,
      numbers(120).map(({ n }) => ({ n, tenant: `t${n % 30}` })),
    );
    await within(9000, "all to end", Promise.all(jobs.map((job) => job.result())));
    expect(calls.map((call) => call.length)).toEqual(Array.from({ length: 30 }, () => 4));
  });

  test("in one slot, while jobs that gather hold none", async () => {
    const project = setup();
    let [running, most] = [0, 0];
    const slot = async (): Promise<void> => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    await project.worker(
      { "single:work": slot },
      { batches: { "quick:batch": slot, "bulk:work": slot }, concurrency: 1 },
    );
    const gathering = await project.many(bulk, numbers(5));
    await until("them to be claimed", async () => (await project.state(gathering[4]?.id ?? "")) === "active");
    const jobs = await Promise.all([
      project.many(quick, numbers(30)),
      project.many(single, numbers(10)),
      project.many(quick, numbers(30)),
    ]);
    await within(8000, "the others to end", Promise.all(jobs.flat().map((job) => job.result())));
    expect(most).toBe(1);
    expect(await project.state(gathering[0]?.id ?? "")).toBe("active");
  });
});

describe("each job of a batch", () => {
  test("fails by itself, by its own rules and with its own attempts", async () => {
    const project = setup();
    const calls: { n: number; attempt: number }[][] = [];
    await project.worker(
      {},
      {
        batches: {
          "quick:batch": (jobs, ctx) => {
            calls.push(jobs.map((job) => ({ n: (job.payload as { n: number }).n, attempt: job.attempt })));
            for (const job of jobs as readonly Job<{ n: number }>[]) {
              if (job.payload.n === 3 && job.attempt === 1) ctx.fail(job, new Error("again, please"));
              if (job.payload.n === 4) ctx.fail(job, new Error("always"));
              if (job.payload.n === 5) ctx.fail(job, new PermanentError("never"));
            }
          },
        },
      },
    );
    const jobs = await project.many(quick, numbers(10));
    const ends = await Promise.allSettled(jobs.map((job) => job.result({ timeout: "30s" })));
    expect(ends.map(({ status }) => status === "fulfilled")).toEqual(
      numbers(10).map(({ n }) => n !== 4 && n !== 5),
    );
    expect(calls.map((call) => call.length)).toEqual([10, 2, 1]);
    expect(calls[1]).toEqual([
      { n: 3, attempt: 2 },
      { n: 4, attempt: 2 },
    ]);
    expect(await project.kinds(jobs[4]?.id ?? "")).toEqual(["failed", "failed", "failed"]);
    expect(await project.kinds(jobs[5]?.id ?? "")).toEqual(["failed"]);
    expect(await project.kinds(jobs[0]?.id ?? "")).toEqual(["completed"]);
  });

  test("is retried when the handler throws, and one that had failed before that keeps its own error", async () => {
    const project = setup();
    let calls = 0;
    await project.worker(
      {},
      {
        batches: {
          "bulk:work": (jobs: Jobs, ctx: BatchContext) => {
            calls += 1;
            if (calls > 1) return;
            ctx.fail(jobs[7]!, new Refused("no"));
            ctx.fail(jobs[7]!, new Error("too late: the first counts"));
            throw new Error("all of them");
          },
        },
      },
    );
    const jobs = await project.many(bulk, numbers(100));
    await until("the first call", () => calls === 1);
    await until("one to be dead", async () => (await project.raw.zcard(project.keys.dead)) === 1);
    const more = await project.enqueue(bulk, { n: 100 });
    const ends = await Promise.allSettled([...jobs, more].map((job) => job.result({ timeout: "30s" })));
    expect(ends.filter(({ status }) => status === "rejected")).toHaveLength(1);
    expect(calls).toBe(2);
    const runs = await Promise.all(jobs.map(({ id }) => project.run(id)));
    expect(runs.filter(({ state }) => state === "dead").map(({ events }) => events[0]?.[3])).toEqual([
      "Refused",
    ]);
    expect(runs.filter(({ state, attempts }) => state === "completed" && attempts === 2)).toHaveLength(99);
  });

  test("has its own result, awaited by its producer", async () => {
    const project = setup();
    await project.worker(
      {},
      {
        batches: {
          "summed:work": (jobs: readonly Job<{ n: number }>[], ctx: BatchContext) =>
            jobs.map((job) =>
              job.payload.n === 2 ? ctx.fail(job, new Error("two")) : { square: job.payload.n ** 2 },
            ),
        } as never,
      },
    );
    const jobs = await project.many(summed, numbers(5));
    const ends = await Promise.allSettled(jobs.map((job) => job.result({ timeout: "30s" })));
    expect(ends.map((end) => (end.status === "fulfilled" ? end.value.square : "failed"))).toEqual([
      0,
      1,
      "failed",
      9,
      16,
    ]);
  });

  test.each([
    ["no list", () => undefined, /5 results, one for each job in their order, and returned no list/],
    ["too few", () => [{ square: 1 }], /and returned 1 results/],
    [
      "a failure of another",
      (all: Jobs, ctx: BatchContext) => all.map(() => ctx.fail(all[0]!, new Error("order of the jobs"))),
      /order of the jobs/,
    ],
    ["one that does not fit", () => [1, 2, 3, 4, "five"], /does not fit its schema/],
  ])("is dead when the results cannot be told apart or do not fit: %s", async (_name, give, message) => {
    const project = setup();
    await project.worker({}, { batches: { "summed:work": give as never } });
    const jobs = await project.many(summed, numbers(5));
    const errors = await Promise.all(jobs.map((job) => rejection(job.result({ timeout: "30s" }))));
    for (const error of errors) expect(error.message).toMatch(message);
  });

  test("is left out when its payload does not fit or it comes too late", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    const late = await project.enqueue(quick, { n: 0 }, { startWithin: "1ms" });
    const good = await project.many(quick, [{ n: 1 }, { n: 2 }]);
    const record = await project.raw.hget(project.keys.jobs, good[1]?.id ?? "");
    await project.raw.hset(
      project.keys.jobs,
      good[1]?.id ?? "",
      record?.replace('{"n":2}', '{"n":"x"}') ?? "",
    );
    await project.worker({}, { batches: { "quick:batch": handler } });
    expect((await rejection(late.result({ timeout: "30s" }))).message).toMatch(/StartedTooLate/);
    expect((await rejection(good[1]!.result({ timeout: "30s" }))).message).toMatch(/does not fit the schema/);
    await good[0]!.result({ timeout: "30s" });
    expect(calls.map(numbersOf)).toEqual([[1]]);
  });

  test("passes the middleware by itself, which may keep it out of the call or change its error", async () => {
    const project = setup();
    const { calls, handler } = recorder();
    const seen: string[] = [];
    const layer = async (job: Job, _ctx: unknown, next: () => Promise<unknown>): Promise<void> => {
      await Promise.resolve();
      const { n } = job.payload as { n: number };
      if (n === 1) throw new PermanentError("kept out");
      await next();
      seen.push(`after ${n}`);
    };
    await project.worker(
      {},
      { batches: { "quick:batch": handler }, middleware: { layers: [layer] } as never },
    );
    const jobs = await project.many(quick, numbers(3));
    await Promise.all([jobs[0]!.result(), jobs[2]!.result()]);
    expect((await rejection(jobs[1]!.result())).message).toMatch(/kept out/);
    expect(calls.map(numbersOf)).toEqual([[0, 2]]);
    expect(seen).toEqual(["after 0", "after 2"]);
  });
});

test("a handler of the wrong kind keeps the worker from starting, and says so", async () => {
  const project = setup();
  const forOne = await rejection(project.newWorker({ "bulk:work": () => undefined }).start());
  expect(forOne.message).toMatch(
    /expected a handler made by defineBatchHandler\("bulk:work", ...\), got one for a single job, and the task has `batch`/,
  );
  const forMany = await rejection(
    project.newWorker({}, { batches: { "single:work": () => undefined } }).start(),
  );
  expect(forMany.message).toMatch(/got one for batches, and the task has no `batch`/);
});

test("a stub says where it stands", async () => {
  const project = setup();
  await project.worker(
    {},
    {
      batches: {
        "quick:batch": (_jobs, ctx) => {
          throw ctx.notImplemented();
        },
      },
    },
  );
  const job = await project.enqueue(quick, { n: 1 });
  expect((await rejection(job.result())).message).toMatch(
    /where defineBatchHandler\("quick:batch", ...\) stands/,
  );
});
