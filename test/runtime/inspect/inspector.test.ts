import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  createInspector,
  createRedactor,
  HIDDEN,
  type Inspector,
  type Redactor,
} from "../../../runtime/inspect/index.js";
import { encodeRun, NEW_RUN, UNSERVED, unservedMessage } from "../../../runtime/protocol/index.js";
import { startRedis } from "../../support/redis.js";
import { TestShard, WORKER } from "./shard.js";

let shard: TestShard;
let inspector: Inspector;

beforeAll(async () => {
  const server = await startRedis();
  shard = new TestShard(server.url);
  inspector = createInspector({ connection: shard.connection, keys: shard.keys, queues: ["default", "low"] });
});

afterAll(() => shard.connection.disconnect());
beforeEach(() => shard.clear());

/** One job in each state; the ids say which. */
async function oneOfEach(): Promise<void> {
  for (const id of ["completed", "dead", "retry", "active"]) await shard.add(id);
  await shard.claim(4);
  await shard.complete("completed", { ok: true });
  await shard.fail("dead", "dead", "boom");
  await shard.fail("retry", "retry", "not yet");
  await shard.add("scheduled", { due: "+60000" });
  await shard.add("pending");
  await shard.add("cancelled");
  await inspector.cancel("cancelled");
}

const STATES = ["active", "cancelled", "completed", "dead", "pending", "retry", "scheduled"] as const;

test.each(STATES)("a %s job is listed under its state only, and shown in it", async (state) => {
  await oneOfEach();
  const page = await inspector.listJobs({ state });
  expect(page.jobs.map((job) => [job.id, job.state])).toEqual([[state, state]]);
  expect((await inspector.showJob(state)).state).toBe(state);
});

test("without a filter every job is listed once", async () => {
  await oneOfEach();
  const { jobs, next } = await inspector.listJobs();
  expect(jobs.map((job) => job.id).toSorted()).toEqual([...STATES].toSorted());
  expect(next).toBeUndefined();
});

test("counts of a queue agree with what is in it", async () => {
  await oneOfEach();
  await shard.add("elsewhere", { queue: "low" });
  const [first, second] = await inspector.listQueues();
  expect(first).toMatchObject({
    name: "default",
    // The cancelled job's id still stands in the list: it is never searched.
    pending: 2,
    scheduled: 1,
    retry: 1,
    active: 1,
    completed: 1,
    dead: 1,
    cancelled: 1,
    estimated: [],
  });
  expect(first!.oldestPendingMs).toBeUndefined();
  expect(second).toMatchObject({ name: "low", pending: 1, active: 0, dead: 0 });
});

test("a job that waits at the gate is pending like any other", async () => {
  const group = { name: "mail:send k", limit: 1 };
  for (const id of ["one", "two", "three"]) await shard.add(id, { group, options: { group: group.name } });
  await shard.add("elsewhere", { queue: "low", group, options: { group: group.name } });
  const { jobs } = await inspector.listJobs({ state: "pending", queue: "default" });
  expect(jobs.map(({ id }) => id)).toEqual(["one", "two", "three"]);
  expect((await inspector.listQueues()).map(({ pending }) => pending)).toEqual([3, 1]);
  expect((await inspector.showJob("two")).state).toBe("pending");
  await shard.claim(1);
  await shard.complete("one", null); // now "two" has the slot
  expect((await inspector.listJobs({ state: "pending" })).jobs.map(({ id }) => id).toSorted()).toEqual([
    "elsewhere",
    "three",
    "two",
  ]);
  expect(await inspector.cancel("three")).toBe("cancelled");
  expect((await inspector.showQueue("default")).pending).toBe(1);
});

test("a job that waits at the gate says for which limit, and one that may run for none", async () => {
  const concurrency = { name: "mail:send k", limit: 1 };
  const rateLimit = { name: "sms:send l", rate: { limit: 1, perMs: 3_600_000 } };
  const both = { name: "call:make m", limit: 1, rate: rateLimit.rate };
  const turns = { name: "push:send default n", turns: true } as const;
  for (const group of [concurrency, rateLimit, both, turns])
    for (const n of [1, 2])
      await shard.add(`${group.name[0]}${n}`, { group, options: { group: group.name } });
  const waits = async (id: string) => (await inspector.showJob(id)).waitsFor;
  expect(await waits("m1")).toBeUndefined();
  expect(await waits("m2")).toBe("concurrency");
  expect(await waits("s2")).toBe("rateLimit");
  expect(await waits("c2")).toBe("concurrency");
  expect(await waits("p1")).toBeUndefined();
  expect(await waits("p2")).toBe("fairness");
  await shard.claim(3);
  await shard.complete("c1", null);
  expect(await waits("c2")).toBe("rateLimit");
  // A deploy has removed the rate: the next claim lets it in.
  await shard.connection.redis.hset(shard.keys.groups, "%sms:send", "-");
  expect(await waits("s2")).toBeUndefined();
});

test("the age of the oldest waiting job comes from when it was made", async () => {
  await shard.add("old", { options: { at: Date.now() - 60_000 } });
  const queue = await inspector.showQueue("default");
  expect(queue.oldestPendingMs).toBeGreaterThan(59_000);
  expect(queue.oldestPendingMs).toBeLessThan(120_000);
});

test("pages follow each other without loss or repetition, also across states and with a filter on the task", async () => {
  for (let index = 0; index < 450; index++) {
    await shard.add(`job-${index}`, { task: index % 3 === 0 ? "mail:send" : "mail:other" });
  }
  await shard.claim(30);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await inspector.listJobs({
      task: "mail:send",
      limit: 7,
      ...(cursor === undefined ? {} : { cursor }),
    });
    expect(page.jobs.length).toBeLessThanOrEqual(7);
    seen.push(...page.jobs.map((job) => job.id));
    cursor = page.next;
  } while (cursor !== undefined);
  expect(seen).toHaveLength(150);
  expect(new Set(seen).size).toBe(150);
});

test("a dead job is retried: pending again, at zero attempts, with its history", async () => {
  await oneOfEach();
  await inspector.retry("dead");
  const job = await inspector.showJob("dead");
  expect(job).toMatchObject({ state: "pending", attempts: 0 });
  expect(job.timeline.map((event) => event.kind)).toEqual(["failed", "retried"]);
  expect((await inspector.listJobs({ state: "dead" })).jobs).toEqual([]);
});

test.each([
  ["retry", "completed"],
  ["retry", "active"],
  ["retry", "pending"],
  ["cancel", "completed"],
  ["cancel", "dead"],
  ["remove", "active"],
] as const)("%s of a job that is %s is a conflict and changes nothing", async (command, state) => {
  await oneOfEach();
  await expect(inspector[command](state)).rejects.toMatchObject({ code: "StateConflict" });
  expect((await inspector.showJob(state)).state).toBe(state);
});

test.each(["cancel", "remove", "retry"] as const)(
  "%s of a job in another state than the one that is meant is a conflict and changes nothing",
  async (command) => {
    await oneOfEach();
    for (const [index, state] of STATES.entries()) {
      const expected = STATES.at(index - 1)!;
      const told = `StateConflict: job ${state} is ${state} by now, no longer ${expected}: it was left as it is`;
      await expect(inspector[command](state, expected)).rejects.toThrow(told);
      expect((await inspector.showJob(state)).state).toBe(state);
    }
  },
);

test.each(["retry", "cancel", "remove"] as const)("%s of a job that nobody knows", async (command) => {
  await expect(inspector[command]("nobody")).rejects.toMatchObject({ code: "JobNotFound" });
});

test("an active job is asked to stop, and stays active until its worker has let go", async () => {
  await oneOfEach();
  expect(await inspector.cancel("active")).toBe("requested");
  expect(await inspector.showJob("active")).toMatchObject({ state: "active", worker: WORKER });
  expect(await shard.connection.redis.smembers(shard.keys.cancels)).toEqual(["active"]);
});

test.each(["cancelled", "completed", "dead", "pending", "retry", "scheduled"])(
  "a %s job can be deleted",
  async (id) => {
    await oneOfEach();
    await inspector.remove(id);
    await expect(inspector.showJob(id)).rejects.toMatchObject({ code: "JobNotFound" });
    const { jobs } = await inspector.listJobs();
    expect(jobs.map((job) => job.id)).not.toContain(id);
  },
);

test("retrying a job whose key was given to another is refused and names the other", async () => {
  const options = { key: "mail:send k" };
  await shard.add("first", { options });
  await shard.claim(1);
  await shard.fail("first", "dead", "boom");
  await shard.add("second", { options });
  await expect(inspector.retry("first")).rejects.toThrow(/belongs to job second/);
});

test("a paused queue says since when, and resuming wakes one sleeper", async () => {
  await inspector.pauseQueue("low");
  const { pausedAt } = await inspector.showQueue("low");
  expect(Math.abs(Date.now() - pausedAt!)).toBeLessThan(5000);
  await inspector.pauseQueue("low");
  expect((await inspector.showQueue("low")).pausedAt).toBe(pausedAt);
  await inspector.resumeQueue("low");
  await inspector.resumeQueue("low");
  expect((await inspector.showQueue("low")).pausedAt).toBeUndefined();
  expect(await shard.connection.redis.llen(shard.keys.queue("low").wake)).toBe(1);
});

test("a queue that nobody declared is refused with the list of those that are there", async () => {
  await expect(inspector.pauseQueue("lwo")).rejects.toThrow(
    "QueueUnknown: no queue named lwo. Queues: default, low",
  );
  await expect(inspector.listJobs({ queue: "lwo" })).rejects.toMatchObject({ code: "QueueUnknown" });
});

test("workers are listed with their lease and what they hold", async () => {
  await oneOfEach();
  expect(await inspector.listWorkers()).toMatchObject([
    { name: WORKER, alive: true, active: 1, about: { host: "here" } },
  ]);
  await shard.connection.redis.zadd(shard.keys.leases, 1, WORKER);
  expect(await inspector.listWorkers()).toMatchObject([{ name: WORKER, alive: false }]);
  await shard.connection.redis.hset(shard.keys.workers, WORKER, "{not JSON");
  expect(await inspector.listWorkers()).toMatchObject([{ name: WORKER, about: {} }]);
});

test("what is read together may name more fields than Lua unpacks", async () => {
  const { connection, keys } = shard;
  const fields = Array.from({ length: 20_000 }, (_unused, n) => `f${n}`);
  await connection.redis.hset(keys.notes, { f0: "a", f4000: "b", f19999: "c" });
  const [time, texts] = await connection.readTogether((reads) =>
    reads.time(keys.jobs).hmget(keys.notes, ...fields),
  );
  expect(time).toHaveLength(2);
  const found = Object.entries(texts as (string | null)[]).filter(([, text]) => text !== null);
  expect([(texts as unknown[]).length, found]).toEqual([
    20_000,
    [
      ["0", "a"],
      ["4000", "b"],
      ["19999", "c"],
    ],
  ]);
  await connection.redis.del(keys.notes);
});

test.each([0, 1001, 1.5])("a page of %s is refused", async (limit) => {
  await expect(inspector.listJobs({ limit })).rejects.toMatchObject({ code: "OptionInvalid" });
});

test("a cursor that nobody gave out is refused", async () => {
  await expect(inspector.listJobs({ cursor: "1;DROP" })).rejects.toMatchObject({ code: "OptionInvalid" });
});

const CANARY = "s3cret-canary";
const SCHEMA = {
  type: "object",
  properties: {
    card: { allOf: [{ $ref: "#/definitions/Card" }], "x-sensitive": true },
    order: { type: "string" },
  },
  definitions: { Card: { type: "object" } },
};

test("sensitive fields are shown nowhere: not in the payload, the errors, the stack or the key", async () => {
  const redactor = createRedactor(new Map([["mail:send", { payload: SCHEMA }]]));
  const careful = createInspector({
    connection: shard.connection,
    keys: shard.keys,
    queues: ["default"],
    redactor,
  });
  const payload = { card: { number: CANARY }, order: "A-1" };
  await shard.add("secret", { payload, options: { key: `mail:send ${CANARY}` } });
  await shard.claim(1);
  await shard.fail("secret", "dead", `card ${CANARY} was refused`);
  const job = await careful.showJob("secret");
  expect(job.payload).toEqual({ card: HIDDEN, order: "A-1" });
  expect(JSON.stringify([job, await careful.listJobs()])).not.toContain(CANARY);
  expect(job.lastError).toBe(`Error: card ${HIDDEN} was refused`);
  await shard.add("named", { payload, options: {} });
  await shard.claim(1);
  await shard.fail("named", "dead", "refused", "default", `Refused ${CANARY}`);
  expect((await careful.showJob("named")).timeline.at(-1)).toMatchObject({ error: `Refused ${HIDDEN}` });
});

test("of a task whose schema is unknown, the payload is hidden, and every text that may repeat it", async () => {
  const careful = createInspector({
    connection: shard.connection,
    keys: shard.keys,
    redactor: createRedactor(new Map()),
  });
  // A key is made of fields of the payload.
  await shard.add("unknown", { payload: { card: CANARY }, options: { key: `mail:send ${CANARY}` } });
  await shard.claim(1);
  await shard.fail("unknown", "dead", `card ${CANARY} was refused`);
  const job = await careful.showJob("unknown");
  expect(job).toMatchObject({ hidden: true, payload: HIDDEN, lastError: HIDDEN });
  expect(job.timeline.at(-1)).toMatchObject({ kind: "failed", attempt: 1, message: HIDDEN, stack: HIDDEN });
  const { jobs } = await careful.listJobs();
  expect(jobs).toMatchObject([{ id: "unknown", lastError: HIDDEN }]);
  expect(JSON.stringify([job, jobs])).not.toContain(CANARY);
});

test("what a worker says that has no handler is told also where the task is unknown, and nobody else in its name", async () => {
  const redactor = createRedactor(new Map());
  const careful = createInspector({ connection: shard.connection, keys: shard.keys, redactor });
  await shard.add("unserved", { payload: { card: CANARY }, options: {} });
  await shard.claim(1);
  await shard.fail("unserved", "dead", CANARY);
  const { task } = await careful.showJob("unserved");
  const told = async (message: string) => {
    const events = [[1, "failed", 1, UNSERVED, message, ""]] as const;
    const run = encodeRun({ ...NEW_RUN, state: "dead", events: [...events] });
    await shard.connection.redis.hset(shard.keys.runs, "unserved", run);
    const [{ timeline }, { jobs }] = await Promise.all([careful.showJob("unserved"), careful.listJobs()]);
    return [timeline.at(-1)?.message, jobs[0]?.lastError];
  };
  const message = unservedMessage({ task, queue: "default" });
  expect(await told(message)).toEqual([message, `${UNSERVED}: ${message}`]);
  expect(await told(CANARY)).toEqual([HIDDEN, HIDDEN]);
});

describe("what a handler has noted", () => {
  async function noted(steps: Readonly<Record<string, unknown>>, progress: unknown): Promise<void> {
    await shard.add("noted", { payload: { card: { number: CANARY, pin: 730_412 }, order: "A-1" } });
    await shard.claim(1);
    await shard.note("noted", steps, progress);
  }
  const show = async (redactor?: Redactor) =>
    await createInspector({
      connection: shard.connection,
      keys: shard.keys,
      ...(redactor === undefined ? {} : { redactor }),
    }).showJob("noted");

  test("is shown: the latest progress, and the steps with the size of what they gave", async () => {
    await noted({ charge: { id: 1 }, send: undefined, nil: null }, 40);
    expect(await show()).toMatchObject({
      progress: 40,
      steps: [
        { name: "charge", bytes: 8 },
        { name: "send", bytes: 0 },
        { name: "nil", bytes: 4 },
      ],
    });
  });

  test("is absent where there is none", async () => {
    await shard.add("noted");
    expect(Object.keys(await show())).not.toContain("steps");
    expect(Object.keys(await show())).not.toContain("progress");
  });

  test("gives no sensitive value away, whatever the handler wrote of it", async () => {
    await noted(
      { [`charge ${CANARY}`]: CANARY },
      { [CANARY]: [`of ${CANARY}`, 730_412, 1, true], deep: { at: CANARY }, order: "A-1" },
    );
    const job = await show(createRedactor(new Map([["mail:send", { payload: SCHEMA }]])));
    expect(JSON.stringify(job)).not.toMatch(/canary|730412/);
    expect(job.progress).toEqual({
      [HIDDEN]: [`of ${HIDDEN}`, HIDDEN, 1, true],
      deep: { at: HIDDEN },
      order: "A-1",
    });
    expect(job.steps).toEqual([{ name: `charge ${HIDDEN}`, bytes: 15 }]);
  });

  test("is hidden but for a percentage where nobody knows what is sensitive", async () => {
    await noted({ [CANARY]: CANARY }, { at: CANARY });
    const job = await show(createRedactor(new Map()));
    expect(job).toMatchObject({ progress: HIDDEN, steps: [{ name: HIDDEN, bytes: 15 }] });
    expect(JSON.stringify(job)).not.toContain(CANARY);
    await shard.note("noted", {}, 70);
    expect((await show(createRedactor(new Map()))).progress).toBe(70);
  });
});

test("an error of Redis is an error of ours, without the command that failed", async () => {
  await shard.connection.redis.set(shard.keys.dead, "not a sorted set");
  const error: unknown = await inspector.listJobs({ state: "dead" }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: "TaskweftError" });
  expect(JSON.stringify(error)).not.toContain("zrange");
});
