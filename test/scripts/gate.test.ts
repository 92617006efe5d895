// The gate of jobs with a limit: who gets a slot, who waits, and what gives a slot back. The check after every test counts them.
import { describe, expect, test } from "vitest";
import {
  HOUR_MS,
  item,
  recordText,
  runText,
  useShards,
  type NewJob,
  type ShardBench,
} from "./shard-bench.js";

const setup = useShards();

/** A job of the group `key` of the task `a:task`. */
const of = (key: string, limit = 1, more: NewJob = {}): NewJob => ({
  group: { name: `a:task ${key}`, limit },
  ...more,
});
const look = async (bench: ShardBench, want = 10, worker = "A", queues = ["q"]) => {
  const quotas = queues.map((queue) => ({ queue, quota: want }));
  const reply = await bench.advance(worker, { want, quotas });
  if (reply === "LOST") throw new Error("expected a lease");
  return reply;
};
const drop = async (bench: ShardBench, id: string, want = 10) => {
  const reply = await bench.advance("A", { want, dropped: [id] });
  if (reply === "LOST") throw new Error("expected a lease");
  return reply.ids;
};
const waiting = async (bench: ShardBench): Promise<number> =>
  Number((await bench.redis.hget(bench.keys.groups, "#q")) ?? 0);

describe("a group with a limit", () => {
  test("lets as many in as it has slots, and the others in their order, each as one ends", async () => {
    const bench = setup();
    await bench.put({ a: of("k", 2), b: of("k", 2), c: of("k", 2), free: {}, d: of("k", 2) });
    expect((await bench.shard()).pending).toEqual({ q: ["free", "a", "b"] });
    expect(await bench.claim("A", 3)).toEqual(["free", "a", "b"]);
    expect(await waiting(bench)).toBe(2);
    expect(await drop(bench, "free")).toEqual([]);
    expect(await drop(bench, "b")).toEqual(["c"]);
    expect(await drop(bench, "a")).toEqual(["d"]);
    await bench.advance("A", { dropped: ["c", "d"] });
    const shard = await bench.shard();
    expect([shard.limited, shard.waiting, shard.groups]).toEqual([
      {},
      [],
      { "#": "4", "#q": "0", "a:task": "2" },
    ]);
  });

  test("is one of each key, and has nothing to do with a group whose name begins alike", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k"), c: of("k k"), d: of(""), e: of(""), f: of("k\u000b") });
    expect(await bench.claim("A", 4)).toEqual(["a", "c", "d", "f"]);
    expect(await drop(bench, "a")).toEqual(["b"]);
    expect(await drop(bench, "d")).toEqual(["e"]);
  });

  test("keeps a completed job, and frees its slot", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.claim("A", 1);
    const kept = [{ id: "a", run: runText({ state: "completed" }), keepMs: HOUR_MS }];
    expect(await bench.advance("A", { want: 1, kept })).toMatchObject({ ids: ["b"] });
  });

  test("has the limit that was said last: a lower one lets nobody in, none lets all in", async () => {
    const bench = setup();
    await bench.put(Object.fromEntries(["a", "b", "c", "d", "e"].map((id) => [id, of("k", 2)])));
    await bench.claim("A", 2);
    await bench.redis.hset(bench.keys.groups, "a:task", 1);
    expect(await drop(bench, "a")).toEqual([]);
    await bench.redis.hset(bench.keys.groups, "a:task", 2);
    expect(await drop(bench, "b")).toEqual(["c", "d"]);
    await bench.redis.hdel(bench.keys.groups, "a:task");
    expect(await drop(bench, "c")).toEqual(["e"]);
    expect(await bench.redis.hget(bench.keys.groups, "a:task d")).toBeNull();
  });

  test("wakes a worker for the first job that finds a raised limit, and not for those behind it", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.claim("A", 1);
    const hint = bench.keys.queue("q").wake;
    await bench.redis.del(hint);
    await bench.redis.hset(bench.keys.groups, "a:task", 3);
    await bench.put({ c: of("k") });
    expect(await bench.redis.lpop(hint)).toBe("1");
    await bench.put({ d: of("k") });
    expect(await bench.redis.lpop(hint)).toBeNull();
    expect((await look(bench)).ids).toEqual(["b", "c"]);
  });

  test("leaves a hint behind a hundred notes of groups of which nobody waits", async () => {
    const bench = setup();
    await bench.put({ k0: of("z", 2), k1: of("z", 2), k2: of("z", 2) });
    const [first = ""] = await bench.claim("A", 2);
    const stale = Array.from({ length: 100 }, (_unused, n) => `\nq\na:task k${n}`);
    await bench.redis.zadd(bench.keys.waiting, ...stale.flatMap((note) => [0, note]));
    await bench.advance("A", { dropped: [first], quotas: [] });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect((await look(bench)).ids).toEqual([]);
    expect(await bench.redis.llen(bench.keys.queue("q").wake)).toBe(1);
    expect((await look(bench)).ids).toEqual(["k2"]);
  });

  test("spans queues: the next may be one that another worker serves", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k", 1, { queue: "other" }), c: of("k") });
    await bench.claim("A", 1);
    expect(await drop(bench, "a")).toEqual([]); // b is first, and this worker does not serve its queue
    await bench.register("B");
    expect((await look(bench, 1, "B", ["other"])).ids).toEqual(["b"]);
    await bench.advance("B", { dropped: ["b"] });
    expect((await look(bench)).ids).toEqual(["c"]);
  });

  test("lets nobody in twice whom a slot calls and an old note of another queue, which comes first", async () => {
    const bench = setup();
    const inOther = of("k", 4, { queue: "other" });
    await bench.put({
      r1: of("k", 4),
      r2: of("k", 4),
      r3: of("k", 4),
      r4: of("k", 4),
      o1: inOther,
      o2: inOther,
    });
    await bench.claim("A", 4);
    for (const id of ["r1", "r2"]) await bench.fail("A", id, "retry", { ms: HOUR_MS });
    await bench.register("B");
    expect((await look(bench, 2, "B", ["other"])).ids).toEqual(["o1", "o2"]);
    await bench.put({ o3: inOther });
    await bench.advance("B", { dropped: ["o1"], quotas: [] }); // noted for o3
    for (const id of ["r1", "r2"]) await bench.redis.zadd(bench.keys.queue("q").due, "XX", 1, id);
    expect((await look(bench, 1)).ids).toEqual(["r1"]); // which leaves r2 as the first
    const quotas = ["other", "q"].map((queue) => ({ queue, quota: 10 }));
    const reply = await bench.advance("A", { want: 10, dropped: ["r3", "r4"], quotas });
    expect(reply).toMatchObject({ ids: ["r2"] });
    expect((await look(bench, 10, "B", ["other"])).ids).toEqual(["o3"]);
  });

  test("admits without claiming for a worker that wants nothing, and leaves a hint", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.claim("A", 1);
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.advance("A", { dropped: ["a"] });
    const shard = await bench.shard();
    expect([shard.pending, shard.wake]).toEqual([{ q: ["b"] }, { q: ["1"] }]);
  });

  test("admits at most 100 groups and 500 jobs a call, and leaves a hint for the rest", async () => {
    const bench = setup();
    const many: [string, NewJob][] = Array.from({ length: 120 }, (_unused, n) => [`a${n}`, of(`${n}`)]);
    await bench.put(Object.fromEntries(many));
    await bench.put(Object.fromEntries(many.map(([id, job]) => [`b${id}`, job])));
    await bench.register("A");
    const first = await look(bench, 120);
    await bench.advance("A", { dropped: first.ids, quotas: [{ queue: "other", quota: 0 }] });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect((await look(bench, 500)).ids).toHaveLength(100);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect((await look(bench, 500)).ids).toHaveLength(20);
  });
});

describe("at the gate", () => {
  test("nobody overtakes those who wait, also while a slot is free for them", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "dead");
    await bench.put({ c: of("k") });
    expect((await look(bench)).ids).toEqual(["b"]);
  });

  test("a job counts in the most pending of its queue", async () => {
    const bench = setup();
    const full = { maxPending: 3 };
    await bench.put({ a: of("k", 1, full), b: of("k", 1, full) });
    expect((await bench.put({ c: full, d: full, e: of("k", 1, full) })).refused.map(({ id }) => id)).toEqual([
      "d",
      "e",
    ]);
    expect(Object.keys((await bench.shard()).limited)).toEqual(["a", "b"]);
  });

  test("an enqueue that is sent again changes nothing, and a known id takes no slot", async () => {
    const bench = setup();
    const jobs = [item("a", of("k")), item("b", of("k", 1, { ownId: true, options: { at: 1 } }))];
    await bench.send(jobs, 7);
    const before = await bench.shard();
    await bench.send(jobs, 7);
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
    const again = await bench.send([jobs[1]!], 8);
    expect(again.known.map(({ existing }) => existing)).toEqual(["b"]);
    expect(await waiting(bench)).toBe(1);
  });

  test("a scheduled job comes when it is due, behind those that came before it", async () => {
    const bench = setup();
    await bench.put({ late: of("k", 1, { due: "1" }), a: of("k"), b: of("k") });
    expect(await bench.claim("A", 1)).toEqual(["a"]);
    // It was enqueued first, so its place is before b.
    expect(await drop(bench, "a")).toEqual(["late"]);
    expect(await drop(bench, "late")).toEqual(["b"]);
  });

  test("a job that waits is cancelled and deleted without a hole, and retried behind the others", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k"), c: of("k"), d: of("k") });
    await bench.claim("A", 1);
    expect(await bench.cancel("b")).toBe("CANCELLED");
    expect(await bench.remove("c")).toBe("REMOVED");
    expect((await bench.shard()).jobs["c"]).toBeUndefined();
    expect(await bench.retry("d")).toEqual({ state: "pending" });
    expect(await bench.retry("b")).toBe("RETRIED");
    expect(await drop(bench, "a")).toEqual(["d"]);
    expect(await drop(bench, "d")).toEqual(["b"]);
  });

  test("the free slot of a cancelled job is the next one's", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k", 1, { queue: "other" }), c: of("k") });
    await bench.claim("A", 1);
    await drop(bench, "a"); // noted for b, in the other queue
    await bench.cancel("b", HOUR_MS, "other");
    expect((await look(bench)).ids).toEqual(["c"]);
  });
});

describe("a slot is held by", () => {
  test("the hole of a cancelled job until the claim has passed it, or it has come back to life", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k") });
    await bench.cancel("a");
    await bench.retry("a");
    expect(await bench.claim("A", 1)).toEqual(["a"]);
    await bench.discard("A", ["a"]); // it lives, so it goes back to the front
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
    await bench.remove("a");
    expect((await look(bench)).ids).toEqual(["a"]);
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.discard("A", ["a"]);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect((await look(bench)).ids).toEqual(["b"]);
  });

  test("nobody while a job waits for its retry; then it is before those that came later", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k"), c: of("k") });
    await bench.claim("A", 1);
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.fail("A", "a", "retry", { ms: HOUR_MS });
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect((await look(bench)).ids).toEqual(["b"]);
    await bench.redis.zadd(bench.keys.queue("q").due, "XX", 1, "a");
    expect(await drop(bench, "b")).toEqual(["a"]);
    expect(await drop(bench, "a")).toEqual(["c"]);
  });

  test.each(["dead", "cancelled"] as const)(
    "nobody after a job ended %s; its retry comes anew",
    async (end) => {
      const bench = setup();
      await bench.put({ a: of("k"), b: of("k") });
      await bench.claim("A", 1);
      await bench.fail("A", "a", end);
      expect((await look(bench)).ids).toEqual(["b"]);
      expect(await bench.retry("a")).toBe("RETRIED");
      expect((await look(bench)).ids).toEqual([]);
      expect(await drop(bench, "b")).toEqual(["a"]);
    },
  );

  test("a retry that is asked for only if there is one", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), late: of("k", 1, { due: `+${HOUR_MS}` }) });
    expect(await bench.retry("late")).toBe("RETRIED");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
    expect(await bench.cancel("late")).toBe("CANCELLED");
  });

  test("a job that went back to its queue, and not by one that ended with its worker", async () => {
    const bench = setup();
    await bench.put({ a: of("k", 2), b: of("k", 2), c: of("k", 2), d: of("k", 2) });
    await bench.claim("A", 2);
    await bench.reclaim("A", ["a"], { reason: "handed-back" });
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
    await bench.cancel("b");
    await bench.endLease("A");
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.reclaim("A", ["b"]);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    await bench.register("B");
    expect((await look(bench, 10, "B")).ids).toEqual(["a", "c"]);
  });

  test("nobody while a suspect waits to run alone, or after a hole was lost with its worker", async () => {
    const bench = setup();
    await bench.put({ a: of("k", 2), b: of("k", 2), c: of("k", 2), d: of("k", 2) });
    await bench.cancel("b");
    await bench.claim("A", 2);
    await bench.redis.hset(bench.keys.runs, "a", runText({ crashes: 1 }));
    await bench.endLease("A");
    await bench.reclaim("A", ["a", "b"]);
    await bench.register("B");
    expect((await look(bench, 10, "B")).ids).toEqual(["c", "d"]);
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["a"]);
  });
});

test.each(['a"b', "back\\slash", "nul\u0000x", "%d+ [q]", "3 q a:task k", "é\u{1f600}", "#q", " "])(
  "the key %j is one like any other",
  async (key) => {
    const bench = setup();
    await bench.put({ a: of(key), b: of(key), c: of("k") });
    expect(await bench.claim("A", 2)).toEqual(["a", "c"]);
    await bench.fail("A", "a", "dead");
    expect((await look(bench)).ids).toEqual(["b"]);
    expect(await bench.retry("a")).toBe("RETRIED");
    expect(await bench.cancel("a")).toBe("CANCELLED");
    expect(await bench.retry("a")).toBe("RETRIED");
    expect(await drop(bench, "b")).toEqual(["a"]);
  },
);

test("ticks of a schedule pass the gate", async () => {
  const bench = setup();
  const group = { name: "a:task ", limit: 1 };
  await bench.declare({ s: "timing" });
  await bench.redis.hset(bench.keys.schedules, "s", '["timing",1,0,"",0,""]');
  const record = recordText({ group });
  const jobs = [2, 3, 4].map((tickMs) => ({ tickMs, id: `t${tickMs}`, record, dueMs: tickMs }));
  const later = { tickMs: 5, id: "later", record, dueMs: 9e12 };
  expect(await bench.tick(1, [2, 3, 4], { group, jobs: [...jobs, later] })).toBe(4);
  expect((await bench.shard()).pending).toEqual({ q: ["t2"] });
  expect(await waiting(bench)).toBe(2);
  expect(await bench.tick(4, [6], { group, maxPending: 3 })).toBe("FULL");
  await bench.claim("A", 1);
  expect(await drop(bench, "t2")).toEqual(["t3"]);
});
