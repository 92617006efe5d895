// A paused task: its jobs are accepted, and none starts; others of its queue do as if they were not there. Then they go in their order.
import { describe, expect, test } from "vitest";
import { HOUR_MS, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const B: NewJob = { task: "b:task" };
const of = (key: string, limit = 1, more: NewJob = {}): NewJob => ({
  group: { name: `a:task ${key}`, limit },
  ...more,
});
const inQueueLimit = (limit: number, more: NewJob = {}): NewJob => ({
  group: { name: "@q ", limit },
  ...more,
});

async function look(bench: ShardBench, want = 10, queues = ["q"], dropped: readonly string[] = []) {
  await bench.register("A");
  const quotas = queues.map((queue) => ({ queue, quota: Math.ceil(want / queues.length) }));
  const reply = await bench.advance("A", { want, quotas, dropped });
  if (reply === "LOST") throw new Error("expected a lease");
  return reply.ids;
}

const atGate = async ({ redis, keys }: ShardBench): Promise<number> =>
  Number((await redis.hget(keys.groups, "#q")) ?? 0);

describe("a paused task", () => {
  test("starts nothing, and others of its queue start in their order", async () => {
    const bench = setup();
    await bench.put({ a1: {}, b1: B, a2: {} });
    expect(await bench.pause()).toBe(true);
    expect(await bench.pause()).toBe(false);
    await bench.put({ a3: {}, b2: B });
    expect(await look(bench, 2)).toEqual(["b1", "b2"]);
    expect(await look(bench)).toEqual([]);
    const shard = await bench.shard();
    expect(shard.pending).toEqual({});
    expect(shard.waiting).toEqual(
      ["a1", "a2", "a3"].map((id) => expect.stringMatching(new RegExp(`^!a:task q\n\\d{16} q ${id}$`))),
    );
    expect(await atGate(bench)).toBe(3);
  });

  test("keeps the places of those that were read for nothing, whatever is wanted", async () => {
    const bench = setup();
    await bench.put({ a1: {}, b1: B, b2: B, b3: B, a2: {}, b4: B });
    await bench.pause();
    expect(await look(bench, 1)).toEqual(["b1"]);
    expect((await bench.shard()).pending["q"]?.filter((id) => id.startsWith("b"))).toEqual([
      "b2",
      "b3",
      "b4",
    ]);
    expect(await look(bench, 1)).toEqual(["b2"]);
    expect(await look(bench, 9)).toEqual(["b3", "b4"]);
  });

  test("lets what runs end, takes retries and jobs that come back, and starts none of them", async () => {
    const bench = setup();
    await bench.put({ done: {}, failed: {}, crashed: {}, later: { due: "1" } });
    await bench.claim("A", 3);
    await bench.pause();
    await bench.advance("A", { dropped: ["done"] });
    await bench.fail("A", "failed", "retry", { ms: 0 });
    await bench.reclaim("A", ["crashed"], { reason: "handed-back" });
    expect(await look(bench)).toEqual([]);
    expect(await atGate(bench)).toBe(3);
    await bench.resume();
    expect((await look(bench)).toSorted()).toEqual(["crashed", "failed", "later"]);
  });

  test("has its jobs cancelled, deleted and retried while they wait, without holes", async () => {
    const bench = setup();
    await bench.put({ a1: {}, a2: {}, a3: {} });
    await bench.pause();
    await look(bench);
    expect(await bench.cancel("a1")).toBe("CANCELLED");
    expect(await bench.remove("a2")).toBe("REMOVED");
    expect(await atGate(bench)).toBe(1);
    expect((await bench.runOf("a1")).detail).toBeNull();
    expect(await bench.retry("a1")).toBe("RETRIED");
    expect(await look(bench)).toEqual([]);
    await bench.resume();
    expect(await look(bench)).toEqual(["a3", "a1"]);
  });

  test("lets the holes of cancelled jobs pass, so that nothing of them stays", async () => {
    const bench = setup();
    await bench.put({ a1: {}, a2: {} });
    await bench.cancel("a1", 0);
    await bench.cancel("a2", HOUR_MS);
    await bench.pause();
    const ids = await look(bench);
    expect(ids).toEqual(["a1", "a2"]);
    await bench.discard("A", ids);
    expect(Object.keys((await bench.shard()).jobs)).toEqual(["a2"]);
  });

  test("counts in the most pending of its queue", async () => {
    const bench = setup();
    await bench.pause();
    const most = { maxPending: 2 };
    await bench.put({ a1: most, a2: most });
    await look(bench);
    expect((await bench.put({ b1: { ...B, ...most } })).refused.map(({ id }) => id)).toEqual(["b1"]);
  });

  test("parks at most 300 jobs a call, and leaves a hint for the rest", async () => {
    const bench = setup();
    for (const part of [0, 1]) {
      await bench.put(Object.fromEntries(Array.from({ length: 200 }, (_unused, n) => [`a${part}.${n}`, {}])));
    }
    await bench.put({ b1: B });
    await bench.pause();
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await look(bench)).toEqual([]);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect(await look(bench)).toEqual(["b1"]);
  });
});

describe("a task that was resumed", () => {
  test("lets its jobs go in their order, before those that came later, half and half with others", async () => {
    const bench = setup();
    await bench.put({ a1: {}, a2: {}, a3: {}, a4: {} });
    await bench.pause();
    await look(bench);
    await bench.put({ a5: {}, b1: B, b2: B, b3: B, b4: B });
    expect(await bench.resume()).toBe(true);
    expect(await bench.resume()).toBe(false);
    const first = await look(bench, 4);
    expect(first).toEqual(["a1", "a2", "b1", "b2"]);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect(await look(bench, 10)).toEqual(["a3", "a4", "b3", "b4", "a5"].toSorted());
    await look(bench);
    const shard = await bench.shard();
    expect([shard.paused, shard.limited, shard.waiting]).toEqual([{}, {}, []]);
  });

  test("is paused again half-way, and goes on where it was", async () => {
    const bench = setup();
    await bench.put({ a1: {}, a2: {}, a3: {} });
    await bench.pause();
    await look(bench);
    await bench.resume();
    expect(await look(bench, 2)).toEqual(["a1", "a2"]);
    await bench.pause();
    expect(await look(bench)).toEqual([]);
    await bench.resume();
    expect(await look(bench)).toEqual(["a3"]);
  });

  test("waits in each queue for a worker of that queue", async () => {
    const bench = setup();
    await bench.put({ a1: {}, a2: { queue: "other" } });
    await bench.pause();
    await look(bench, 10, ["q", "other"]);
    await bench.resume("a:task", ["q", "other"]);
    expect((await bench.shard()).wake).toEqual({ other: ["1"], q: ["1"] });
    expect(await look(bench)).toEqual(["a1"]);
    expect(await look(bench, 10, ["other"])).toEqual(["a2"]);
  });

  test("does not start in a queue that is paused", async () => {
    const bench = setup();
    await bench.put({ a1: {} });
    await bench.pause();
    await look(bench);
    await bench.redis.hset(bench.keys.paused, "q", 1);
    await bench.resume();
    expect(await look(bench)).toEqual([]);
    await bench.redis.hdel(bench.keys.paused, "q");
    expect(await look(bench)).toEqual(["a1"]);
  });
});

describe("a paused task with a limit", () => {
  test("gives its slots up, lets nobody in, and goes on in order", async () => {
    const bench = setup();
    await bench.put({ a1: of("k", 2), a2: of("k", 2), a3: of("k", 2), x: of("x") });
    await bench.pause();
    await bench.put({ a4: of("k", 2), y: of("y") });
    expect(await look(bench)).toEqual([]);
    expect((await bench.shard()).groups["a:task k"]).toBeUndefined();
    await bench.resume();
    expect(await look(bench)).toEqual(["a1", "a2", "x", "y"]);
    expect(await look(bench, 10, ["q"], ["a1", "a2"])).toEqual(["a3", "a4"]);
  });

  test("reopens more groups than one call looks at", async () => {
    const bench = setup();
    const many = Array.from({ length: 230 }, (_unused, n): [string, NewJob] => [`a${n}`, of(`${n}`)]);
    await bench.pause();
    await bench.put(Object.fromEntries(many));
    await look(bench, 500);
    await bench.resume();
    const started: string[] = [];
    for (let call = 0; call < 5; call += 1) started.push(...(await look(bench, 500)));
    expect(started.length).toBe(230);
    expect((await bench.shard()).paused).toEqual({});
  });

  test("goes on to reopen by its own hints, past a hundred groups whose slots are taken", async () => {
    const bench = setup();
    const taken = Array.from({ length: 230 }, (_unused, n) => `k${String(n).padStart(3, "0")}`);
    for (const nth of ["first", "second"]) {
      await bench.put(Object.fromEntries(taken.map((key) => [`${key}-${nth}`, of(key)])));
      await look(bench, 500);
    }
    await bench.pause();
    await bench.put({ quiet: of("z") });
    await bench.resume();
    const hint = bench.keys.queue("q").wake;
    const started: string[] = [];
    let looks = 0;
    for (; (await bench.redis.lpop(hint)) !== null; looks += 1) started.push(...(await look(bench, 500)));
    expect([started, looks]).toEqual([["quiet"], 3]);
  });

  test("reserves no starts of a rate", async () => {
    const bench = setup();
    const rated = { group: { name: "a:task k", rate: { limit: 2, perMs: HOUR_MS } } };
    await bench.put({ a1: rated, a2: rated, a3: rated });
    await bench.pause();
    await look(bench);
    expect((await bench.shard()).groups["%a:task k"]).toBeUndefined();
    await bench.resume();
    expect(await look(bench)).toEqual(["a1", "a2"]);
    expect(await look(bench)).toEqual([]);
  });
});

describe("a paused task in a queue with a limit", () => {
  test("stands in nobody's way at the gate, and comes back there in its old order", async () => {
    const bench = setup();
    await bench.put({
      a1: inQueueLimit(1),
      a2: inQueueLimit(1),
      b1: inQueueLimit(1, B),
      a3: inQueueLimit(1),
      b2: inQueueLimit(1, B),
    });
    await bench.pause();
    expect(await look(bench)).toEqual([]);
    expect(await look(bench)).toEqual(["b1"]);
    await bench.resume();
    expect(await look(bench)).toEqual([]);
    const order: string[] = [];
    for (let last = "b1"; order.length < 4; last = order.at(-1)!) {
      order.push(...(await look(bench, 1, ["q"], [last])));
    }
    expect(order).toEqual(["a1", "a2", "a3", "b2"]);
  });
});

describe("drain", () => {
  test("refuses new jobs of a queue, and takes those that are known", async () => {
    const bench = setup();
    await bench.put({ known: { ownId: true } });
    expect(await bench.drain("queue", "q")).toBe(true);
    expect(await bench.drain("queue", "q")).toBe(false);
    const reply = await bench.put({
      plain: {},
      other: { queue: "other" },
      delayed: { due: "+5" },
      known: { ownId: true },
      limited: of("k"),
    });
    expect(reply.drained.map(({ id }) => id)).toEqual(["plain", "delayed", "limited"]);
    expect(reply.known.map(({ existing }) => existing)).toEqual(["known"]);
    expect(await look(bench)).toEqual(["known"]);
    expect(await bench.drain("queue", "q", "accept")).toBe(true);
    expect((await bench.put({ plain: {} })).drained).toEqual([]);
    expect((await bench.shard()).draining).toBe("");
  });

  test("of a task leaves the others of the queue, in their order and within its most", async () => {
    const bench = setup();
    await bench.drain("task", "a:task");
    await bench.drain("task", "a:task-2");
    const most = { maxPending: 2 };
    const reply = await bench.put({
      b1: { ...B, ...most },
      a1: most,
      b2: { ...B, ...most },
      b3: { ...B, ...most },
    });
    expect(reply.drained.map(({ id }) => id)).toEqual(["a1"]);
    expect(reply.refused.map(({ id }) => id)).toEqual(["b3"]);
    expect(await look(bench)).toEqual(["b1", "b2"]);
    await bench.drain("task", "a:task", "accept");
    expect((await bench.shard()).draining).toMatch(/^\ntask a:task-2 \d+\n$/);
  });

  test("skips the ticks of schedules", async () => {
    const bench = setup();
    await bench.declare({ s: "timing" });
    await bench.redis.hset(bench.keys.schedules, "s", '["timing",1,0,"",0,""]');
    await bench.drain("task", "a:task");
    expect(await bench.tick(1, [2, 3])).toBe(0);
    expect((await bench.shard()).schedules["s"]).toBe('["timing",3,0,"",3,"draining"]');
  });
});

describe("a count of a group that a resume has not come to yet", () => {
  const count = { group: "a:task k", lastNumber: "2", waiting: 2, ids: [], queues: ["q"], mends: false };

  async function setupReopening() {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.pause();
    await look(bench);
    await bench.resume();
    return bench;
  }

  test("is right without a note of its room, which a claim will leave", async () => {
    const bench = await setupReopening();
    expect(await bench.recount({ ...count, counted: "0" })).toBe("RIGHT");
    expect(await look(bench)).toEqual(["a"]);
  });

  test("is wrong where it is, or where the resume has passed the group without a note", async () => {
    const bench = await setupReopening();
    await bench.redis.hset(bench.keys.groups, "a:task k", "1");
    expect(await bench.recount({ ...count, counted: "1" })).toBe("WRONG");
    await bench.redis.hdel(bench.keys.groups, "a:task k");
    await bench.redis.hset(bench.keys.paused, "task:a:task", "0 a:task k");
    expect(await bench.recount({ ...count, counted: "0" })).toBe("WRONG");
    expect(await bench.recount({ ...count, counted: "0", mends: true })).toBe("REPAIRED");
    expect(await look(bench)).toEqual(["a"]);
  });
});
