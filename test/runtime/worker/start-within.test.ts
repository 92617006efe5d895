// startWithin: work that came too late to matter is not done, and says so.
import { once } from "node:events";
import { describe, expect, test, vi } from "vitest";
import {
  createEmitFunction,
  defineAction,
  defineEvent,
  type EnqueueOptions,
  type JobHandle,
  type TaskContext,
  type TaskweftClient,
  TaskweftError,
  z,
} from "taskweft/generated-v1";
import { openInspector } from "../../../runtime/inspect/index.js";
import {
  idTime,
  JobIdMaker,
  NEW_RUN,
  parseRecord,
  type JobRun,
  type RecordOptions,
} from "../../../runtime/protocol/index.js";
import { latenessMs } from "../../../runtime/worker/claims/claim.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const LONG_AGO = 1_600_000_000_000;
const hurried = defineTask("hurried:work", {
  startWithinMs: 60_000,
  retry: { maxRetries: 3, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
const patient = defineTask("patient:work");
const limited = defineTask("limited:work", { startWithinMs: 60_000, concurrency: { limit: 1 } });
const keyed = defineTask("keyed:work", {
  startWithinMs: 60_000,
  idempotency: { ttlMs: 60_000, onDead: "release" },
  idempotencyKey: () => "key",
});
const newest = defineTask("newest:work", {
  startWithinMs: 60_000,
  dedupe: { mode: "replace" },
  dedupeKey: () => "key",
});
const TASKS = [hurried, patient, limited, keyed, newest];
const setup = (): Project => setupProject({ redis, tasks: TASKS as never });

async function optionsOf(project: Project, id: string): Promise<RecordOptions> {
  return parseRecord((await project.raw.hget(project.keys.jobs, id)) ?? "")!.options;
}

async function redisNow(project: Project): Promise<number> {
  const [seconds, micros] = await project.raw.time();
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

/** Redis says when it was; a test cannot wait for a minute. */
async function enqueueLongAgo(project: Project): Promise<JobHandle<unknown>> {
  const late = await project.enqueue(hurried, { n: 1 });
  const record = (await project.raw.hget(project.keys.jobs, late.id)) ?? "";
  await project.raw.hset(project.keys.jobs, late.id, record.replace(/"at":\d+/, `"at":${LONG_AGO}`));
  return late;
}

async function madeAt(project: Project, id: string): Promise<number | undefined> {
  return (await optionsOf(project, id)).at ?? idTime(id);
}

async function hasEnded(project: Project, id: string): Promise<boolean> {
  return ["completed", "dead"].includes(await project.state(id));
}

async function redisTime(project: Project): Promise<number> {
  const [seconds, micros] = await project.raw.time();
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
}

describe("a job that nobody came to in time", () => {
  test("goes dead at once, unrun and without retries, and its result says why", async () => {
    const project = setup();
    const ran: string[] = [];
    const late = await enqueueLongAgo(project);
    const inTime = await project.enqueue(hurried, { n: 2 });
    await project.worker({ "hurried:work": (job) => void ran.push(job.id) });
    const error = await rejection(late.result());
    expect(error).toMatchObject({ code: "JobDead" });
    expect(error.message).toContain("StartedTooLate");
    await inTime.result();
    expect(ran).toEqual([inTime.id]);
    const { state, events } = await project.run(late.id);
    expect([state, events.length, events[0]?.[3]]).toEqual(["dead", 1, "StartedTooLate"]);
  });

  test("goes dead too where a worker without a handler for it has met it before, twice", async () => {
    const project = setup();
    const stranger = await project.worker({ "patient:work": () => undefined });
    const late = await enqueueLongAgo(project);
    const due = project.keys.queue("default").due;
    const isPutOff = (times: number) => async () =>
      (await project.raw.zscore(due, late.id)) !== null &&
      (await project.run(late.id)).events[0]?.[0] !== times;
    await until("it to be put off", isPutOff(0));
    const [[first]] = (await project.run(late.id)).events as never as [[number]];
    await project.raw.zadd(due, 1, late.id);
    await until("it to be put off again", isPutOff(first));
    expect(await project.kinds(late.id)).toEqual(["failed"]);
    await stranger.stop();
    await project.raw.zadd(due, 1, late.id);
    await project.worker({ "hurried:work": () => undefined });
    expect((await rejection(late.result())).message).toContain("StartedTooLate");
  });

  test("runs after all when a person retries it", async () => {
    const project = setup();
    const late = await enqueueLongAgo(project);
    await project.worker({ "hurried:work": () => undefined });
    await rejection(late.result());
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      await inspector.retry(late.id);
    } finally {
      inspector.close();
    }
    await late.result();
    expect(await project.kinds(late.id)).toEqual(["failed", "retried", "completed"]);
  });
});

test("a job that has begun in time and is handed back at a shutdown runs again, however late", async () => {
  const project = setup();
  const started: number[] = [];
  const handler = async (job: { attempt: number }, ctx: { signal: AbortSignal }): Promise<void> => {
    started.push(job.attempt);
    if (started.length > 1) return;
    await once(ctx.signal, "abort");
    ctx.signal.throwIfAborted();
  };
  const first = await project.worker({ "hurried:work": handler });
  const handle = await project.enqueue(hurried, { n: 1 }, { startWithin: "1s" });
  await until("the first attempt", () => started.length === 1);
  await first.stop();
  const { at } = await optionsOf(project, handle.id);
  await until("the limit to be over", async () => (await redisNow(project)) > at! + 1000);
  await project.worker({ "hurried:work": handler });
  await handle.result();
  expect(started).toEqual([1, 1]);
  expect(await project.kinds(handle.id)).toEqual(["handed-back", "completed"]);
});

test("the lateness of an attempt counts from its limit, and only for the first", () => {
  const record = { version: 1, task: "a", queue: "q", hash: "", payload: {} };
  let id = "own";
  const lateness = (options: RecordOptions, run: JobRun = NEW_RUN): number =>
    latenessMs({ id, record: { ...record, options }, run }, 1000);
  expect(lateness({ at: 400, startWithinMs: 500 })).toBe(100);
  expect(lateness({ at: 400, startWithinMs: 600 })).toBe(0);
  expect(lateness({ at: 400, startBy: 1500 })).toBe(-500);
  // A time of its own that was over when it was stored: the job has as long as others.
  expect(lateness({ at: 400, startBy: 200, startWithinMs: 700 })).toBe(-100);
  expect(lateness({ at: 400, startBy: 900, startWithinMs: 100 })).toBe(100);
  expect(lateness({ at: 400 })).toBe(0);
  const failed: JobRun = { ...NEW_RUN, attempts: 1, events: [[900, "failed", 1, "Error", "no", ""]] };
  expect(lateness({ at: 400, startWithinMs: 500 }, failed)).toBe(0);
  // An id says when the producer thought that it made the job.
  id = new JobIdMaker().next(LONG_AGO);
  expect(lateness({ startWithinMs: 500 })).toBe(0);
});

describe("what is stored", () => {
  test("comes from the definition, or from the enqueue, with the delay in it", async () => {
    const project = setup();
    const at = expect.any(Number);
    const stored = async (task: typeof hurried, options: object): Promise<unknown> =>
      optionsOf(project, (await project.enqueue(task, { n: 1 }, options)).id);
    expect(await stored(hurried, {})).toEqual({ at, startWithinMs: 60_000 });
    expect(await stored(hurried, { delay: "5s" })).toEqual({ at, delayMs: 5000, startWithinMs: 65_000 });
    expect(await stored(hurried, { runAt: LONG_AGO })).toEqual({
      at,
      dueAt: LONG_AGO,
      startBy: LONG_AGO + 60_000,
      startWithinMs: 60_000,
    });
    expect(await stored(hurried, { startWithin: "1s" })).toEqual({ at, startWithinMs: 1000 });
    expect(await stored(patient, { startWithin: "1s" })).toEqual({ at, startWithinMs: 1000 });
    expect(await stored(patient, {})).toEqual({});
  });

  test("is the same when the same id is enqueued again", async () => {
    const project = setup();
    const cases: EnqueueOptions[] = [
      { id: "delayed", delay: "1h" },
      { id: "timed", runAt: LONG_AGO + 1e12 },
    ];
    for (const options of cases) {
      expect((await project.enqueue(hurried, { n: 1 }, options)).deduplicated).toBe(false);
      expect((await project.enqueue(hurried, { n: 1 }, options)).deduplicated).toBe(true);
    }
  });
});

describe("a job counts from when Redis stored it,", () => {
  /** A client of a process whose clock is ten minutes slow, and which has heard nothing of Redis yet. */
  function slowClient(project: Project): TaskweftClient {
    vi.spyOn(Date, "now").mockReturnValue(Date.now() - 600_000);
    try {
      return project.newClient();
    } finally {
      vi.restoreAllMocks();
    }
  }

  const happened = defineEvent<{ n: number }>({
    name: "it:happened",
    payload: () => z.object({ n: z.number() }),
    observers: [{ name: "seen", actions: [defineAction(hurried, () => ({ n: 1 }))] }],
  });

  type Make = (project: Project, client: TaskweftClient) => Promise<readonly { readonly id: string }[]>;
  const one =
    (task: typeof hurried, options: EnqueueOptions = {}): Make =>
    async (project, client) => [await project.enqueue(task, { n: 1 }, { client, ...options })];

  test.each<[string, Make]>([
    ["alone", one(hurried)],
    ["in bulk", (project, client) => project.many(hurried, [{ n: 1 }, { n: 2 }], { client })],
    ["under an id", one(hurried, { id: "own" })],
    ["with a limit", one(limited)],
    ["with an idempotency key", one(keyed)],
    ["with a dedupe key", one(newest)],
    ["with a startWithin of its own", one(patient, { startWithin: "60s" })],
    ["for later", one(hurried, { delay: "1ms" })],
    ["for a time that is over", one(hurried, { runAt: LONG_AGO })],
    [
      "by an observer",
      async (project, client) =>
        (await createEmitFunction(happened, project.queues)({ n: 1 }, { client })).jobs,
    ],
    [
      "by a handler",
      async (project, client) => {
        const ids: string[] = [];
        let stopped: Promise<void> | undefined;
        const spawn = async (_job: unknown, ctx: TaskContext): Promise<void> => {
          ids.push(await ctx.spawn("child", project.function(hurried), { n: 1 }, { client }));
          // Before it claims the child, for which it has no handler.
          stopped = worker.stop();
        };
        const worker = await project.worker({ "patient:work": spawn }, { concurrency: 1, grace: "5s" });
        await (await project.enqueue(patient, { n: 1 })).result();
        await stopped;
        return ids.map((id) => ({ id }));
      },
    ],
  ])("whatever the clock of its producer says: %s", async (_name, make) => {
    const project = setup();
    const before = await redisTime(project);
    const jobs = await make(project, slowClient(project));
    const work = (): undefined => undefined;
    const ended = jobs.map(({ id }) => until(`${id} to end`, () => hasEnded(project, id)));
    for (const { id } of jobs) expect(await madeAt(project, id)).toBeGreaterThanOrEqual(before);
    await project.worker(Object.fromEntries(TASKS.map(({ name }) => [name, work])));
    await Promise.all(ended);
    for (const { id } of jobs) expect(await project.state(id)).toBe("completed");
  });

  test("also where an earlier answer came late, or was that of a call that was sent again", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url });
    const { pending } = project.keys.queue("default");
    await project.enqueue(patient, { n: 0 }, { client });
    for (const [stored, isLost] of [
      [2, false],
      [4, true],
    ] as const) {
      proxy.stallReplies();
      const sent = project.enqueue(patient, { n: 1 }, { client });
      await until("it to be stored", async () => (await project.raw.llen(pending)) === stored);
      const storedAt = await redisTime(project);
      await until("time to pass", async () => (await redisTime(project)) > storedAt + 20);
      if (isLost) proxy.cutAll();
      proxy.heal();
      await sent;
      const before = await redisTime(project);
      const { id } = await project.enqueue(hurried, { n: 2 }, { client });
      expect(await madeAt(project, id)).toBeGreaterThanOrEqual(before);
    }
  });
});

test("a limit of nothing is refused before Redis is touched", async () => {
  const project = setup();
  const error = await rejection(project.enqueue(patient, { n: 1 }, { startWithin: 0 }));
  expect(error).toBeInstanceOf(TaskweftError);
  expect(error.message).toMatch(/OptionInvalid: startWithin: expected a whole number from 1/);
});
