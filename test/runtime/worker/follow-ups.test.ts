// onExhausted: one follow-up a death, whatever ends the job, and none that is lost.
import { expect, onTestFinished, test, vi } from "vitest";
import { retry } from "../../../runtime/scripts/index.js";
import { Connection } from "../../../runtime/connection/index.js";
import { PermanentError } from "../../../runtime/index.js";
import { parseRecord } from "../../../runtime/protocol/index.js";
import { FollowUps, followUpId } from "../../../runtime/worker/attempts/follow-ups.js";
import { type Project, defineTask, setupProject, type TestHandlers } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const onExhausted = {
  task: "ops:alert",
  fields: ["attempts", "error", "jobId", "message", "payload", "queue", "task"],
} as const;
const backoff = { type: "fixed", delayMs: 0, jitter: "none" } as const;
const work = defineTask("some:work", { onExhausted, retry: { maxRetries: 1, backoff } });
const brief = defineTask("some:brief", { onExhausted, timeoutMs: 50 });
const late = defineTask("some:late", { onExhausted, startWithinMs: 1 });
const alert = defineTask("ops:alert", { queue: "alerts" });
const QUEUES = [
  { name: "alerts", weight: 3, maxPending: 1 },
  { name: "default", weight: 1 },
];
const TASKS = [work, brief, late, alert];
const setup = (): Project => setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
/** A worker that leaves the alerts where they are. */
const start = (project: Project, handlers: TestHandlers) => project.worker(handlers, { queues: ["default"] });
const dies = (project: Project, id: string): Promise<void> =>
  until("the job to be dead", async () => (await project.state(id)) === "dead");

/** Payloads of the alerts that wait, by id. */
async function alerts(project: Project): Promise<Record<string, unknown>> {
  const ids = await project.raw.lrange(project.keys.queue("alerts").pending, 0, -1);
  const records = await Promise.all(ids.map((id) => project.raw.hget(project.keys.jobs, id)));
  return Object.fromEntries(ids.map((id, index) => [id, parseRecord(records[index] ?? "")?.payload]));
}

test("a job that is out of attempts has one follow-up, which is told what has happened, and which any worker runs", async () => {
  const project = setup();
  await start(project, {
    "some:work": (job) => {
      expect(job.queue).toBe("default");
      // The follow-up is told the payload as it was.
      Object.assign(job.payload as object, { n: 0 });
      throw new TypeError(`attempt ${job.attempt}`);
    },
  });
  const { id } = await project.enqueue(work, { n: 7 });
  await dies(project, id);
  expect(await project.kinds(id)).toEqual(["failed", "failed"]);
  const told = {
    attempts: 2,
    error: "TypeError",
    jobId: id,
    message: "attempt 2",
    payload: { n: 7 },
    queue: "default",
    task: "some:work",
  };
  expect(await alerts(project)).toEqual({ [`${id}..exhausted`]: told });
  // Workers and tools know of its queue, although nobody has served it so far.
  expect(await project.raw.hget(project.keys.meta, "queue:alerts")).toBe("3");
  let seen: unknown;
  await project.worker({ "ops:alert": (job) => void (seen = job.payload) }, { queues: ["alerts"] });
  await until("the alert", () => seen !== undefined);
  expect(seen).toEqual(told);
});

test("a permanent error, a timeout and a start that comes too late are deaths as well, a completion is none", async () => {
  const project = setup();
  const dead = await Promise.all([
    project.enqueue(work, { n: 1 }),
    project.enqueue(brief, { n: 2 }),
    project.enqueue(late, { n: 3 }),
  ]);
  const well = await project.enqueue(work, { n: 4 });
  const { at } = parseRecord((await project.raw.hget(project.keys.jobs, dead[2].id)) ?? "")!.options;
  await until("the last moment to pass", async () => {
    const [seconds, micros] = await project.raw.time();
    return Number(seconds) * 1000 + Number(micros) / 1000 > at! + 5;
  });
  await start(project, {
    "some:work": ({ payload }: { payload: { n: number } }) => {
      if (payload.n === 1) throw new PermanentError("for good");
    },
    "some:brief": (_job, ctx) =>
      new Promise((_resolve, reject) => ctx.signal.addEventListener("abort", reject)),
    "some:late": () => undefined,
  });
  await Promise.all(dead.map(({ id }) => dies(project, id)));
  await well.result();
  const told = Object.values(await alerts(project)) as { error: string; attempts: number }[];
  // The queue of the alerts takes one pending job, but not for a price like this.
  expect(told.map(({ error, attempts }) => `${error} ${attempts}`).toSorted()).toEqual([
    "PermanentError 1",
    "StartedTooLate 1",
    "TimeoutExceeded 1",
  ]);
});

test("a worker that dies between the follow-up and the death leaves no second one", async () => {
  const project = setup();
  const { id } = await project.enqueue(brief, { n: 1 });
  const connection = new Connection({ url: redis.url }, "worker");
  const { keys, queues } = project;
  const registry = { contracts: TASKS, queues, handlers: {} };
  const first = new FollowUps({
    homeOf: (id) => ({ connection, keys, id }),
    registry,
  });
  const record = parseRecord((await project.raw.hget(keys.jobs, id)) ?? "")!;
  const run = { attempts: 0, crashes: 0, state: "pending", detail: null, events: [] } as const;
  const store = first.of({ id, record, run }, onExhausted, new Error("the first end"));
  await store();
  await store();
  connection.disconnect();
  await start(project, { "some:brief": () => Promise.reject(new Error("the second end")) });
  await dies(project, id);
  expect(await alerts(project)).toEqual({
    [`${id}..exhausted`]: expect.objectContaining({ message: "the first end" }),
  });
});

test("no death is written while its follow-up cannot be stored", async () => {
  const project = setup();
  const { id } = await project.enqueue(brief, { n: 1 });
  let ran = false;
  await project.raw.config("SET", "maxmemory", "1");
  try {
    await start(project, {
      "some:brief": () => {
        ran = true;
        throw new Error("no");
      },
    });
    await until("a refusal", () =>
      project.logger.messages("warn").includes("writing an outcome failed; trying again"),
    );
    expect(ran).toBe(true);
    expect(await project.state(id)).toBe("active");
  } finally {
    await project.raw.config("SET", "maxmemory", "0");
  }
  await dies(project, id);
  expect(Object.keys(await alerts(project))).toEqual([`${id}..exhausted`]);
});

test("a job that a person retries and that dies again has another follow-up", async () => {
  const project = setup();
  await start(project, { "some:brief": () => Promise.reject(new Error("again")) });
  const { id } = await project.enqueue(brief, { n: 1 });
  await dies(project, id);
  const connection = new Connection({ url: redis.url }, "client");
  expect(await retry(connection, { keys: project.keys, id, queue: "default" })).toMatchObject({});
  connection.disconnect();
  await until("a second alert", async () => Object.keys(await alerts(project)).length === 2);
  await dies(project, id);
});

const HASH = /^#[\w-]{43}$/;
test.each([
  ["on one line", "no", /^no$/],
  ["with a line break", "line one\nline two", HASH],
  ["that is too long for a key", "x".repeat(600), HASH],
  ["that is empty", "", HASH],
])(
  "follow-ups whose limit has the message as its key all run, also for one %s",
  async (_what, message, key) => {
    const failing = defineTask("some:work", { onExhausted: { task: "ops:page", fields: ["message"] } });
    const page = defineTask("ops:page", {
      concurrency: { limit: 1 },
      concurrencyKey: (payload: { message: string }) => payload.message,
    } as never);
    const project = setupProject({ redis, tasks: [failing, page] as never });
    const groups = new Set<string>();
    const told: unknown[] = [];
    await project.worker({
      "some:work": () => {
        throw new Error(message);
      },
      "ops:page": async ({ id, payload }) => {
        const entry = await project.raw.hget(project.keys.limited, id);
        groups.add(entry?.replace(/^\d+ default ops:page /, "") ?? "");
        told.push(payload);
        // So that the next one comes in by a note at the gate.
        throw new Error("nobody answers");
      },
    });
    await project.many(failing, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    await until("all to be told", () => told.length === 3);
    expect(told).toEqual([{ message }, { message }, { message }]);
    expect([...groups]).toEqual([expect.stringMatching(key)]);
  },
);

test("ids stay ids, also for a job whose own id is as long as ids may be", () => {
  const id = "x".repeat(128);
  expect(followUpId(id, { events: [] })).toMatch(/^exhausted\.\.[0-9a-f]{40}$/);
  expect(followUpId(id, { events: [[5, "retried"]] })).not.toBe(followUpId(id, { events: [] }));
  expect(
    followUpId("a", {
      events: [
        [36, "retried"],
        [40, "failed", 1, "E", "", ""],
      ],
    }),
  ).toBe("a..exhausted.10");
});

test("a death that is not written before the lease is lost has none: the job runs again", async () => {
  const project = setup();
  let runs = 0;
  const worker = await start(project, {
    "some:work": () => {
      runs += 1;
      if (runs === 1) throw new PermanentError("no");
    },
  });
  const lost = worker.name;
  // The follow-up cannot be stored while the worker has the lease under which the job has failed.
  const original = Reflect.get(Connection.prototype, "run") as Connection["run"];
  let refused = 0;
  const calls = vi.spyOn(Connection.prototype, "run").mockImplementation(async function (
    this: Connection,
    ...call
  ) {
    if (call[0].name === "enqueue" && worker.name === lost) {
      refused += 1;
      throw new Error("refused");
    }
    return await Reflect.apply(original, this, call);
  });
  onTestFinished(() => calls.mockRestore());
  const { id } = await project.enqueue(work, { n: 1 });
  await until("the follow-up to be refused", () => refused > 0);
  await project.raw.zadd(project.keys.leases, 0, lost);
  await until("the job to have run again", async () => (await project.state(id)) === "completed");
  await worker.stop();
  expect(runs).toBe(2);
  expect(await alerts(project)).toEqual({});
});
