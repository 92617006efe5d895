// Rates: how many starts a window holds, what takes a place in it, and when those who wait come in. Time passes by moving what is
// stored into the past; the check after every test counts the reserved places.
import { describe, expect, test } from "vitest";
import { HOUR_MS, item, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";
import { timePasses } from "./shard-time.js";

const setup = useShards();

/** A job of the group `key` of the task `a:task`: `most` starts an hour. */
const of = (key: string, most = 1, more: NewJob = {}, limit?: number): NewJob => ({
  group: {
    name: `a:task ${key}`,
    rate: { limit: most, perMs: HOUR_MS },
    ...(limit === undefined ? {} : { limit }),
  },
  ...more,
});
const named = (prefix: string, count: number, job: NewJob): Record<string, NewJob> =>
  Object.fromEntries(Array.from({ length: count }, (_unused, n) => [`${prefix}${n}`, job]));

async function look(bench: ShardBench, call: Parameters<ShardBench["advance"]>[1] = {}, worker = "A") {
  await bench.register(worker);
  const reply = await bench.advance(worker, { want: 100, ...call });
  if (reply === "LOST") throw new Error("expected a lease");
  return reply;
}

describe("a rate", () => {
  test("lets so many start in a window, and says when the next may", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 5, of("k", 2)), free: {} });
    expect((await bench.shard()).pending).toEqual({ q: ["free", "a0", "a1"] });
    const first = await look(bench);
    expect(first.ids).toEqual(["free", "a0", "a1"]);
    expect(first.nextDueMs).toBeGreaterThan(HOUR_MS - 1000);
    expect(first.nextDueMs).toBeLessThanOrEqual(HOUR_MS);
    expect((await look(bench, { dropped: ["a0", "a1"] })).ids).toEqual([]);
    await timePasses(bench, HOUR_MS - 1000);
    const early = await look(bench);
    expect([early.ids, early.nextDueMs <= 1000]).toEqual([[], true]);
    await timePasses(bench, 1000);
    expect((await look(bench)).ids).toEqual(["a2", "a3"]);
    await timePasses(bench, HOUR_MS);
    const last = await look(bench);
    expect([last.ids, last.nextDueMs]).toEqual([["a4"], -1]);
  });

  test("counts a start when it happens, however long the job stood in the list before", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k", 2)));
    await timePasses(bench, HOUR_MS);
    await bench.put(named("b", 3, of("k", 2)));
    expect((await look(bench)).ids).toEqual(["a0", "a1"]);
    await timePasses(bench, HOUR_MS / 2);
    expect((await look(bench)).ids).toEqual([]);
  });

  test("does not count a job that was claimed without a handler for it", async () => {
    const bench = setup();
    await bench.put(named("a", 2, of("k", 1)));
    expect((await look(bench)).ids).toEqual(["a0"]);
    expect(await bench.fail("A", "a0", "unserved", { ms: HOUR_MS / 2 })).toBe("retry");
    expect((await look(bench)).ids).toEqual(["a1"]);
    expect(await bench.fail("A", "a1", "retry", { ms: HOUR_MS })).toBe("retry");
    await timePasses(bench, HOUR_MS / 2);
    expect((await look(bench)).ids).toEqual([]);
  });

  test("is one of each key, and costs other keys nothing", async () => {
    const bench = setup();
    await bench.put({ a: of("k"), b: of("k"), c: of("l"), d: of(""), e: of("") });
    expect((await look(bench)).ids).toEqual(["a", "c", "d"]);
  });

  test("of many starts is kept in few parts, and lets none start too early", async () => {
    const bench = setup();
    await bench.put(named("a", 200, of("k", 100)));
    for (let n = 0; n < 20; n += 1) {
      await look(bench, { want: 5, quotas: [{ queue: "q", quota: 5 }] });
      await timePasses(bench, HOUR_MS / 100);
    }
    const text = (await bench.redis.hget(bench.keys.groups, "a:task k"))!;
    expect(text.split(" ").length).toBeLessThan(2 * 52);
    expect((await look(bench)).ids).toEqual([]);
    await timePasses(bench, HOUR_MS * 0.78);
    expect((await look(bench)).ids).toEqual([]);
    await timePasses(bench, HOUR_MS * 0.06);
    const { length } = (await look(bench)).ids;
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThanOrEqual(25);
  });

  test("of which a tenth is taken counts in fifths of its window, and the rest in fiftieths", async () => {
    const bench = setup();
    await bench.put(named("a", 500, of("k", 100)));
    const claims = async (want: number): Promise<number> =>
      (await look(bench, { want, quotas: [{ queue: "q", quota: want }] })).ids.length;
    const lastEnd = async (): Promise<number> =>
      Number((await bench.redis.hget(bench.keys.groups, "a:task k"))!.split(" ")[3]);
    for (let n = 0; n < 10; n += 1) expect(await claims(1)).toBe(1);
    expect((await lastEnd()) % (HOUR_MS / 5)).toBe(0);
    await timePasses(bench, HOUR_MS * 0.5);
    expect(await claims(100)).toBe(90);
    expect((await lastEnd()) % (HOUR_MS / 50)).toBe(0);
    await timePasses(bench, HOUR_MS * 0.49);
    expect(await claims(100)).toBe(0);
    await timePasses(bench, HOUR_MS * 0.22);
    expect(await claims(100)).toBe(10);
    await timePasses(bench, HOUR_MS * 0.28);
    expect(await claims(100)).toBe(0);
    await timePasses(bench, HOUR_MS * 0.04);
    expect(await claims(100)).toBe(90);
  });

  test("of which all is taken soon after a tenth counts that in fiftieths too", async () => {
    const bench = setup();
    await bench.put(named("a", 200, of("k", 100)));
    const claims = async (want: number): Promise<number> =>
      (await look(bench, { want, quotas: [{ queue: "q", quota: want }] })).ids.length;
    for (const want of [4, 3, 3]) {
      expect(await claims(want)).toBe(want);
      await timePasses(bench, HOUR_MS * 0.001);
    }
    expect(await claims(100)).toBe(90);
    await timePasses(bench, HOUR_MS * 0.99);
    expect(await claims(100)).toBe(0);
    await timePasses(bench, HOUR_MS * 0.04);
    expect(await claims(100)).toBe(100);
  });

  test("is that of the newest deploy: higher, lower, or none", async () => {
    const bench = setup();
    await bench.put(named("a", 9, of("k", 2)));
    const rate = async (text: string): Promise<unknown> =>
      bench.redis.hset(bench.keys.groups, "%a:task", text);
    expect((await look(bench)).ids).toHaveLength(2);
    await rate(`4 ${HOUR_MS}`);
    expect((await look(bench)).nextDueMs).toBe(0);
    expect((await look(bench)).ids).toHaveLength(2);
    await rate("1 60000");
    expect((await look(bench)).nextDueMs).toBe(0);
    expect((await look(bench)).nextDueMs).toBeLessThanOrEqual(61_200);
    await timePasses(bench, 61_200);
    expect((await look(bench)).ids).toHaveLength(1);
    await bench.redis.hdel(bench.keys.groups, "%a:task");
    await look(bench);
    expect((await look(bench)).ids).toHaveLength(4);
  });

  test("does not block for longer than its window when the clock has gone back", async () => {
    const bench = setup();
    await bench.put(named("a", 2, of("k")));
    await look(bench);
    await timePasses(bench, -100 * HOUR_MS);
    await look(bench);
    expect((await look(bench)).nextDueMs).toBeLessThanOrEqual(HOUR_MS * 1.02);
    await timePasses(bench, HOUR_MS * 1.02);
    expect((await look(bench)).ids).toEqual(["a1"]);
  });

  test("leaves nothing behind when its starts no longer count", async () => {
    const bench = setup();
    await bench.put(named("a", 1, of("k")));
    await look(bench);
    await bench.advance("A", { dropped: ["a0"] });
    await bench.sweep();
    expect(await bench.redis.hget(bench.keys.groups, "a:task k")).toMatch(/^0 0 1 \d{13} \d{13} 0$/);
    await timePasses(bench, HOUR_MS);
    await bench.sweep();
    const { groups, waiting } = await bench.shard();
    expect([groups, waiting]).toEqual([{ "#": "1", "%": "1", "%a:task": `1 ${HOUR_MS}` }, []]);
  });
});

describe("a place in the window is taken", () => {
  test("anew by a retry, which is the first of its key", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k")));
    await look(bench);
    await bench.fail("A", "a0", "retry", { ms: 0 });
    expect((await look(bench)).ids).toEqual([]);
    await timePasses(bench, HOUR_MS);
    expect((await look(bench)).ids).toEqual(["a0"]);
  });

  test("anew by a job that comes back from its worker", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k", 2)));
    await look(bench);
    await bench.reclaim("A", ["a0"], { reason: "handed-back" });
    await bench.endLease("A");
    await bench.reclaim("A", ["a1"]);
    expect((await bench.shard()).pending).toEqual({});
    expect((await look(bench, {}, "B")).ids).toEqual([]);
    await timePasses(bench, HOUR_MS);
    expect((await look(bench, {}, "B")).ids).toEqual(["a0", "a1"]);
  });

  test("not by one that was claimed ahead and comes back without having started", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k", 2)));
    await look(bench);
    await bench.reclaim("A", ["a0"], { reason: "not-started" });
    expect((await bench.shard()).pending).toEqual({ q: ["a0"] });
    expect((await look(bench)).ids).toEqual(["a0"]);
    expect((await look(bench)).ids).toEqual([]);
  });

  test("by no job that was cancelled or deleted, in the list or at the gate", async () => {
    const bench = setup();
    await bench.put(named("a", 6, of("k", 2)));
    await bench.cancel("a0");
    await bench.remove("a1");
    await bench.cancel("a2");
    await bench.remove("a3");
    expect((await look(bench)).ids).toEqual(["a0", "a1"]);
    await bench.discard("A", ["a0", "a1"]);
    expect((await look(bench)).ids).toEqual(["a4", "a5"]);
  });

  test("once by a job that came back to life between claim and discard", async () => {
    const bench = setup();
    await bench.put(named("a", 2, of("k")));
    await bench.cancel("a0");
    await look(bench);
    expect(await bench.retry("a0")).toBe("RETRIED");
    expect(await bench.discard("A", ["a0"])).toBe(1);
    expect((await look(bench)).ids).toEqual(["a0"]);
    expect((await look(bench, { dropped: ["a0"] })).ids).toEqual([]);
  });

  test("by a scheduled job when it starts", async () => {
    const bench = setup();
    await bench.put({ a: of("k", 1, { due: "1" }), b: of("k", 1, { due: `+${HOUR_MS}` }) });
    expect((await look(bench)).ids).toEqual(["a"]);
    expect(await bench.retry("b")).toBe("RETRIED");
    expect((await look(bench)).ids).toEqual([]);
  });

  test("by none of a paused queue, which lets at most one window in", async () => {
    const bench = setup();
    await bench.redis.hset(bench.keys.paused, "q", 1);
    await bench.put(named("a", 5, of("k", 2)));
    for (let n = 0; n < 3; n += 1) {
      expect(await look(bench)).toMatchObject({ ids: [], nextDueMs: -1 });
      await timePasses(bench, HOUR_MS);
    }
    await bench.redis.hdel(bench.keys.paused, "q");
    expect((await look(bench)).ids).toEqual(["a0", "a1"]);
  });
});

describe("with a limit of concurrency too", () => {
  test("a job enters when both allow", async () => {
    const bench = setup();
    await bench.put(named("a", 6, of("k", 3, {}, 2)));
    expect((await look(bench)).ids).toEqual(["a0", "a1"]);
    expect((await look(bench, { dropped: ["a0"] })).ids).toEqual(["a2"]);
    expect((await look(bench, { dropped: ["a1"] })).ids).toEqual([]);
    await timePasses(bench, HOUR_MS);
    // One still runs: the rate has three places, the limit one.
    expect((await look(bench)).ids).toEqual(["a3"]);
    expect((await look(bench, { dropped: ["a2", "a3"] })).ids).toEqual(["a4", "a5"]);
  });
});

describe("an idle worker hears of", () => {
  const hints = async (bench: ShardBench): Promise<number> => bench.redis.llen(bench.keys.queue("q").wake);

  test("the first job that waits for a time, and is not woken for those behind it", async () => {
    const bench = setup();
    await bench.put(named("a", 1, of("k")));
    await look(bench, { dropped: ["a0"] });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.put(named("b", 1, of("k")));
    expect(await hints(bench)).toBe(1);
    expect((await look(bench)).nextDueMs).toBeGreaterThan(HOUR_MS - 1000);
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.put(named("c", 50, of("k")));
    expect(await hints(bench)).toBe(0);
  });

  test("of no failure that lets nobody in", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k")));
    await look(bench);
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.fail("A", "a0", "dead");
    expect(await hints(bench)).toBe(0);
  });
});

test("more groups than a call takes are taken by the next ones", async () => {
  const bench = setup();
  const groups = Array.from({ length: 250 }, (_unused, n) => of(`${n}`));
  await bench.put(Object.fromEntries(groups.map((job, n) => [`a${n}`, job])));
  await bench.put(Object.fromEntries(groups.map((job, n) => [`b${n}`, job])));
  await look(bench, { want: 250, quotas: [{ queue: "q", quota: 250 }] });
  await timePasses(bench, HOUR_MS);
  const found: string[] = [];
  for (let n = 0; n < 4; n += 1) found.push(...(await look(bench, { want: 250 })).ids);
  expect(new Set(found).size).toBe(250);
});

test("an enqueue that is sent again reserves nothing", async () => {
  const bench = setup();
  const jobs = [item("a", of("k")), item("b", of("k"))];
  await bench.send(jobs, 7);
  const before = await bench.shard();
  await bench.send(jobs, 7);
  expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  const kept = [{ id: "a", run: runText({ state: "completed" }), keepMs: HOUR_MS }];
  await look(bench);
  expect((await look(bench, { kept })).ids).toEqual([]);
});
