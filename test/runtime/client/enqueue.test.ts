// What a producer can rely on: one call a tick, order, checks before Redis is touched.
import { describe, expect, test } from "vitest";
import { PayloadInvalid, TaskweftError, createEnqueueFunction, z } from "taskweft/generated-v1";
import { parseRecord } from "../../../runtime/protocol/index.js";
import { commandCalls, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();

const order = defineTask("order:place", {
  payload: z.strictObject({
    id: z.string(),
    items: z.array(z.strictObject({ sku: z.string(), quantity: z.number().int().min(1) })),
  }),
});
const plain = defineTask("plain:work");
const setup = () => setupProject({ redis, tasks: [order, plain] as never });

describe("enqueues of one tick", () => {
  test("travel in one call and keep their order", async () => {
    const project = setup();
    await project.enqueue(plain, { n: -1 });
    const before = await commandCalls(project.raw, "evalsha");
    const handles = await Promise.all(
      Array.from({ length: 100 }, (_unused, n) => project.enqueue(plain, { n })),
    );
    expect(await commandCalls(project.raw, "evalsha")).toBe(before + 1);
    const ids = await project.raw.lrange(project.keys.queue("default").pending, 1, -1);
    expect(ids).toEqual(handles.map((handle) => handle.id));
    expect(new Set(ids).size).toBe(100);
  });

  test("travel in several calls when they are large, and keep their order", async () => {
    const project = setup();
    await project.enqueue(plain, { n: -1 });
    const before = await commandCalls(project.raw, "evalsha");
    const filler = "x".repeat(10_000);
    const handles = await project.many(
      plain,
      Array.from({ length: 100 }, (_unused, n) => ({ n, filler })),
    );
    // A text of more than 128 KiB costs Node much, so that a call holds a few of these.
    const calls = (await commandCalls(project.raw, "evalsha")) - before;
    expect(calls).toBeGreaterThanOrEqual(20);
    expect(calls).toBeLessThanOrEqual(40);
    const ids = await project.raw.lrange(project.keys.queue("default").pending, 1, -1);
    expect(ids).toEqual(handles.map((handle) => handle.id));
  });

  test("travel with fewer others where one is so large that a text of it all would cost much", async () => {
    const project = setup();
    await project.enqueue(plain, { n: -1 });
    const before = await commandCalls(project.raw, "evalsha");
    const small = Array.from({ length: 25 }, (_unused, n) => ({ n, filler: "x".repeat(1000) }));
    await project.many(plain, [...small, { n: 25, filler: "x".repeat(80_000) }]);
    expect((await commandCalls(project.raw, "evalsha")) - before).toBe(2);
  });

  test("travel in one call too when they are the first of their client", async () => {
    const project = setup();
    await project.client.ready();
    const [scripts, registrations] = [
      await commandCalls(project.raw, "evalsha"),
      await commandCalls(project.raw, "hsetnx"),
    ];
    await Promise.all(Array.from({ length: 50 }, (_unused, n) => project.enqueue(plain, { n })));
    expect(await commandCalls(project.raw, "evalsha")).toBe(scripts + 1);
    expect((await commandCalls(project.raw, "hsetnx")) - registrations).toBeLessThanOrEqual(1);
  });

  test("keep their order over tasks, also when one of them is enqueued for the first time", async () => {
    const project = setup();
    await project.enqueue(plain, { n: 0 });
    const [first, second] = await Promise.all([
      project.enqueue(order, { id: "a", items: [] }),
      project.enqueue(plain, { n: 1 }),
    ]);
    const ids = await project.raw.lrange(project.keys.queue("default").pending, 1, -1);
    expect(ids).toEqual([first.id, second.id]);
  });

  test("are split into calls that do not hold Redis for long, in order", async () => {
    const project = setup();
    const handles = await project.many(
      plain,
      Array.from({ length: 1000 }, (_unused, n) => ({ n })),
    );
    const ids = await project.raw.lrange(project.keys.queue("default").pending, 0, -1);
    expect(ids).toEqual(handles.map((handle) => handle.id));
    const records = await project.raw.hmget(project.keys.jobs, ...ids);
    expect(records.map((record) => parseRecord(record ?? "")?.payload)).toEqual(
      Array.from({ length: 1000 }, (_unused, n) => ({ n })),
    );
  });

  test("many of nothing is nothing", async () => {
    const project = setup();
    expect(await project.many(plain, [])).toEqual([]);
  });
});

describe("an invalid payload", () => {
  const broken = {
    id: 7,
    items: [
      { sku: "a", quantity: 1 },
      { sku: 2, quantity: 0 },
    ],
    extra: true,
  };

  test("lists every path and leaves Redis untouched", async () => {
    const project = setup();
    await project.client.ready();
    const before = await project.raw.info("commandstats");
    const error = await rejection(project.enqueue(order, broken as never));
    expect(error).toBeInstanceOf(PayloadInvalid);
    const { problems, message, code, task } = error as PayloadInvalid;
    expect(problems.map((problem) => problem.path).toSorted()).toEqual([
      "",
      "id",
      "items[1].quantity",
      "items[1].sku",
    ]);
    expect([code, task]).toEqual(["PayloadInvalid", "order:place"]);
    for (const path of ["id", "items[1].sku", "items[1].quantity"]) expect(message).toContain(`  ${path}: `);
    expect(callsWithoutInfo(await project.raw.info("commandstats"))).toEqual(callsWithoutInfo(before));
  });

  test("among many stops all of them", async () => {
    const project = setup();
    const error = await rejection(project.many(order, [{ id: "a", items: [] }, broken as never]));
    expect(error).toBeInstanceOf(PayloadInvalid);
    expect(await project.raw.exists(project.keys.jobs)).toBe(0);
  });

  test("may be one that JSON cannot hold: the error says so", async () => {
    const project = setup();
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const anything = defineTask("any:work", { payload: z.any() });
    for (const payload of [cyclic, { big: 10n }, undefined, () => 1]) {
      const error = await rejection(project.enqueue(anything, payload as never));
      expect(error).toBeInstanceOf(PayloadInvalid);
      expect(error.message).toMatch(/JSON/);
    }
  });

  test("may be too large", async () => {
    const error = await rejection(setup().enqueue(plain, { n: 1, text: "x".repeat(1024 * 1024) } as never));
    expect(error).toBeInstanceOf(PayloadInvalid);
    expect(error.message).toMatch(/expected at most 1048576 characters of JSON, got \d+/);
  });
});

function callsWithoutInfo(stats: string): string[] {
  return [...stats.matchAll(/^cmdstat_(\w+):calls=(\d+)/gm)]
    .filter((match) => match[1] !== "info")
    .map((match) => `${match[1]}=${match[2]}`);
}

describe("options of an enqueue", () => {
  const keyed = defineTask("keyed:work", {
    idempotency: { ttlMs: 60_000, onDead: "release" },
    idempotencyKey: () => "k",
  });
  const bad: [Record<string, unknown>, RegExp][] = [
    [{ delay: "soon" }, /^OptionInvalid: delay: expected a duration such as 250ms.*got 'soon'/],
    [{ delay: -1 }, /^OptionInvalid: delay: .*got -1/],
    [{ delay: "1s", runAt: 5 }, /^OptionInvalid: runAt: expected either delay or runAt/],
    [{ runAt: new Date("nonsense") }, /^OptionInvalid: runAt: expected a valid Date .*got Invalid Date/],
    [
      { queue: "nowhere" },
      /^QueueUnknown: expected a queue of the definitions \(default, side\), got "nowhere"/,
    ],
    [{ timeout: "0s" }, /^OptionInvalid: timeout: expected a whole number from 1 .*got 0/],
    [{ maxRetries: -1 }, /^OptionInvalid: maxRetries: expected a whole number from 0 to 1000, got -1/],
    [{ maxRetries: 1.5 }, /^OptionInvalid: maxRetries: .*got 1.5/],
    [{ retention: { completed: "never" } }, /^OptionInvalid: retention.completed: .*got 'never'/],
    [{ retention: { dead: NaN } }, /^OptionInvalid: retention.dead: .*got NaN/],
    [{ id: "" }, /^OptionInvalid: id: expected 1 to 128 of .*got ''/],
    [{ id: "a b" }, /^OptionInvalid: id: .*got 'a b'/],
    [{ id: "x".repeat(129) }, /^OptionInvalid: id: /],
    [
      { idempotencyKey: "k" },
      /^OptionInvalid: idempotencyKey: expected none, because plain:work declares no idempotency.*, got 1 characters$/,
    ],
  ];
  const withSide = () =>
    setupProject({
      redis,
      tasks: [plain, keyed] as never,
      queues: [
        { name: "default", weight: 1 },
        { name: "side", weight: 1 },
      ],
    });

  test.each(bad)("%o is refused with what was expected and what came", async (options, message) => {
    const project = withSide();
    const error = await rejection(project.enqueue(plain, { n: 1 }, options as never));
    expect(error).toBeInstanceOf(TaskweftError);
    expect(error.message).toMatch(message);
    expect(await project.raw.exists(project.keys.jobs)).toBe(0);
  });

  test.each([
    ["", "0 characters"],
    ["a\nb", "3 characters with a line break"],
    ["x".repeat(513), "513 characters"],
    ["half a pair \ud83d", "13 characters with half of a surrogate pair"],
  ])("the idempotency key %j is refused without being shown", async (idempotencyKey, got) => {
    const error = await rejection(withSide().enqueue(keyed, { n: 1 }, { idempotencyKey }));
    expect(error.message).toBe(
      `OptionInvalid: idempotencyKey: expected 1 to 512 characters of well-formed text on one line, got ${got}`,
    );
  });

  test("that are fine stand in the record, and only what differs from the definition", async () => {
    const project = withSide();
    const record = async (options: object) => {
      const { id } = await project.enqueue(plain, { n: 1 }, options);
      return parseRecord((await project.raw.hget(project.keys.jobs, id)) ?? "");
    };
    expect(await record({})).toEqual({
      version: 1,
      task: "plain:work",
      queue: "default",
      hash: "00000000",
      options: {},
      payload: { n: 1 },
    });
    expect(
      (await record({ timeout: "2s", maxRetries: 0, retention: { completed: "0s", dead: "1d" } }))?.options,
    ).toEqual({
      timeoutMs: 2000,
      maxRetries: 0,
      keepCompletedMs: 0,
      keepDeadMs: 86_400_000,
    });
    expect((await record({ queue: "side" }))?.queue).toBe("side");
    expect(await project.raw.llen(project.keys.queue("side").pending)).toBe(1);
    expect(await project.raw.hgetall(project.keys.meta)).toMatchObject({
      "queue:default": "1",
      "queue:side": "1",
    });
  });

  test("delay counts from Redis's clock, runAt is taken as it stands, the past means at once", async () => {
    const project = withSide();
    const { due } = project.keys.queue("default");
    const [seconds] = await project.raw.time();
    const nowMs = Number(seconds) * 1000;
    const delayed = await project.enqueue(plain, { n: 1 }, { delay: "1h" });
    const at = await project.enqueue(plain, { n: 1 }, { runAt: nowMs + 7_200_000 });
    expect(Number(await project.raw.zscore(due, delayed.id)) - nowMs - 3_600_000).toBeLessThan(5000);
    expect(Number(await project.raw.zscore(due, at.id))).toBe(nowMs + 7_200_000);
    const ran: string[] = [];
    const past = await project.enqueue(plain, { n: 1 }, { runAt: new Date(1) });
    await project.worker({ "plain:work": (job) => void ran.push(job.id) });
    await past.result();
    expect(ran).toEqual([past.id]);
  });

  test("an unknown task name is refused by createEnqueueFunction's client rules: no client, no enqueue", async () => {
    const enqueue = createEnqueueFunction(plain, [{ name: "default", weight: 1 }]);
    await expect(enqueue({ n: 1 })).rejects.toThrow(
      /^NotConnected: expected a connection, got none\. Call `await connect/,
    );
  });
});

describe("a queue with maxPending", () => {
  test("refuses what is too much with QueueFull, each producer for its own job", async () => {
    const project = setupProject({
      redis,
      tasks: [plain] as never,
      queues: [{ name: "default", weight: 1, maxPending: 3 }],
    });
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map((n) => project.enqueue(plain, { n })));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
    const error = await rejection(project.enqueue(plain, { n: 5 }));
    expect(error).toMatchObject({ code: "QueueFull", operation: "enqueue" });
    expect(error.message).toBe(
      "QueueFull: the queue default holds its most of 3 pending jobs (maxPending); this job was not stored. Enqueue it later, add workers, or raise the limit.",
    );
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(3);
    const worker = await project.worker({ "plain:work": () => undefined });
    for (const outcome of outcomes) if (outcome.status === "fulfilled") await outcome.value.result();
    await (await project.enqueue(plain, { n: 6 })).result();
    await worker.stop();
  });
});
