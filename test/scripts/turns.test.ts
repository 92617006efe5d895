// Turns: of each key one job stands in the list, a claim brings the next, and no place stays empty while anybody waits.
import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

/** A job of the key in queue `q`. */
const of = (key: string, more: NewJob = {}, limit?: number): NewJob => ({
  group: { name: `a:task q ${key}`, turns: true, ...(limit === undefined ? {} : { limit }) },
  ...more,
});
const named = (prefix: string, count: number, job: NewJob): Record<string, NewJob> =>
  Object.fromEntries(Array.from({ length: count }, (_unused, n) => [`${prefix}${n}`, job]));

async function take(bench: ShardBench, want: number, call: Parameters<ShardBench["advance"]>[1] = {}) {
  await bench.register("A");
  const reply = await bench.advance("A", { want, ...call });
  if (reply === "LOST") throw new Error("expected a lease");
  return reply.ids;
}

const pendingOf = async (bench: ShardBench, queue = "q"): Promise<readonly string[]> =>
  (await bench.shard()).pending[queue] ?? [];
const waitingOf = async (bench: ShardBench): Promise<number> =>
  Number((await bench.redis.hget(bench.keys.groups, "#q")) ?? 0);

describe("a claim", () => {
  test("takes from keys in turns, whoever came first with however many", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 5, of("k")), ...named("b", 2, of("l")), ...named("c", 1, of("m")) });
    expect([await pendingOf(bench), await waitingOf(bench)]).toEqual([["a0", "b0", "c0"], 5]);
    expect(await take(bench, 2)).toEqual(["a0", "b0"]);
    expect(await pendingOf(bench)).toEqual(["c0", "a1", "b1"]);
    expect(await take(bench, 2)).toEqual(["c0", "a1"]);
    expect(await take(bench, 10)).toEqual(["b1", "a2", "a3", "a4"]);
    expect([await pendingOf(bench), await waitingOf(bench)]).toEqual([[], 0]);
  });

  test("of more than the list holds goes on in turns, and leaves one of each key for the next", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 10, of("k")), ...named("b", 3, of("l")), ...named("c", 10, of("m")) });
    expect(await take(bench, 10)).toEqual(["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2", "a3"]);
    expect(await pendingOf(bench)).toEqual(["c3", "a4"]);
  });

  test("lets no key of many wait for the others, whatever it is called", async () => {
    const bench = setup();
    const keys = Array.from({ length: 300 }, (_unused, n) => `k${n}`);
    for (const n of [0, 1, 2, 3, 4, 5, 6]) {
      await bench.put(Object.fromEntries(keys.map((key) => [`${key}-${n}`, of(key)])));
    }
    const starts = new Map<string, number>();
    for (let n = 0; n < 10; n += 1) {
      for (const id of await take(bench, 150)) {
        const [key = ""] = id.split("-");
        starts.set(key, (starts.get(key) ?? 0) + 1);
      }
    }
    expect([starts.size, new Set(starts.values())]).toEqual([300, new Set([5])]);
  });

  test("is filled by one key where only one has jobs", async () => {
    const bench = setup();
    await bench.put(named("a", 500, of("k")));
    await bench.put(named("b", 500, of("k")));
    expect(await take(bench, 900)).toHaveLength(900);
    expect([(await pendingOf(bench)).length, await waitingOf(bench)]).toEqual([1, 99]);
  });

  test("fills the share of its queue before others get what is left", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 20, of("k")), ...named("b", 20, { queue: "other" }) });
    const quotas = [
      { queue: "q", quota: 6 },
      { queue: "other", quota: 3 },
    ];
    const ids = await take(bench, 9, { quotas });
    expect(ids.filter((id) => id.startsWith("a"))).toHaveLength(6);
  });

  test("leaves a hint while there is more, and none when there is not", async () => {
    const bench = setup();
    await bench.put(named("a", 3, of("k")));
    await bench.redis.del(bench.keys.queue("q").wake);
    await take(bench, 2);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    await bench.redis.del(bench.keys.queue("q").wake);
    await take(bench, 2);
    expect((await bench.shard()).wake).toEqual({});
  });

  test("takes jobs without a key in their place", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 3, of("k")), x: {}, y: {} });
    expect(await take(bench, 10)).toEqual(["x", "y", "a0", "a1", "a2"]);
  });
});

describe("a turn", () => {
  test("is taken by a hole, and the next of the key comes", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 4, of("k")), b0: of("l") });
    expect([await bench.cancel("a0"), await bench.remove("a1")]).toEqual(["CANCELLED", "REMOVED"]);
    expect([await take(bench, 1), await pendingOf(bench)]).toEqual([["a0"], ["b0", "a2"]]);
    await bench.discard("A", ["a0"]);
    expect(await take(bench, 5)).toEqual(["b0", "a2", "a3"]);
  });

  test("of a job that comes back or falls due is the next of its key", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 4, of("k")), b0: of("l"), b1: of("l") });
    expect(await take(bench, 2)).toEqual(["a0", "b0"]);
    await bench.fail("A", "a0", "retry", { run: runText({ attempts: 1, state: "retry" }) });
    await bench.reclaim("A", ["b0"], { reason: "handed-back" });
    await bench.redis.zadd(bench.keys.queue("q").due, "XX", 1, "a0");
    // a1 and b1 have come in meanwhile, and keep their turns.
    expect(await take(bench, 10)).toEqual(["a1", "b1", "a0", "b0", "a2", "a3"]);
  });

  test("that a worker gives back unstarted goes to the front", async () => {
    const bench = setup();
    await bench.put({ ...named("a", 3, of("k")), b0: of("l") });
    expect(await take(bench, 1)).toEqual(["a0"]);
    await bench.reclaim("A", ["a0"], { reason: "not-started" });
    expect(await pendingOf(bench)).toEqual(["a0", "b0", "a1"]);
    expect(await take(bench, 10)).toEqual(["a0", "b0", "a1", "a2"]);
  });

  test("waits for its time with a delay, and for nothing else", async () => {
    const bench = setup();
    await bench.put({ a0: of("k", { due: "1" }), a1: of("k", { due: `+${HOUR_MS}` }), a2: of("k") });
    expect(await take(bench, 10)).toEqual(["a2", "a0"]);
  });

  test("of a key with a limit comes when a place is free, and costs others none", async () => {
    const bench = setup();
    const limited = (key: string): NewJob => of(key, {}, 2);
    await bench.put({ ...named("a", 5, limited("k")), ...named("b", 5, limited("l")) });
    expect(await pendingOf(bench)).toEqual(["a0", "b0"]);
    expect(await take(bench, 10)).toEqual(["a0", "b0", "a1", "b1"]);
    expect(await pendingOf(bench)).toEqual([]);
    expect(await take(bench, 10, { dropped: ["a0"] })).toEqual(["a2"]);
    expect(await take(bench, 10, { dropped: ["b0", "b1"] })).toEqual(["b2", "b3"]);
  });

  test("is the business of one queue", async () => {
    const bench = setup();
    const there: NewJob = { queue: "other", group: { name: "a:task other k", turns: true } };
    await bench.put({ ...named("a", 2, of("k")), ...named("b", 2, there) });
    const quotas = [{ queue: "other", quota: 10 }];
    expect(await take(bench, 10, { quotas })).toEqual(["b0", "b1"]);
  });

  test("of a key in two queues, which a limit makes one, is noted for the other queue", async () => {
    const bench = setup();
    const group = { name: "a:task k", turns: true, limit: 10 } as const;
    await bench.put({ a0: { group }, b0: { group, queue: "other" } });
    expect(await take(bench, 10)).toEqual(["a0"]);
    const quotas = [{ queue: "other", quota: 10 }];
    expect(await take(bench, 10, { quotas })).toEqual(["b0"]);
  });
});

test("a full queue counts those that wait for their turns", async () => {
  const bench = setup();
  const reply = await bench.put(named("a", 5, of("k", { maxPending: 3 })));
  expect([reply.refused.length, await waitingOf(bench)]).toEqual([2, 2]);
});

describe("a deploy", () => {
  test("without turns lets all come in as the next ones end", async () => {
    const bench = setup();
    await bench.put(named("a", 5, of("k")));
    await bench.redis.hdel(bench.keys.groups, "%a:task");
    expect(await take(bench, 10)).toEqual(["a0"]);
    expect((await bench.shard()).groups["a:task q k"]).toBe("1");
    expect(await take(bench, 10, { dropped: ["a0"] })).toEqual(["a1", "a2", "a3", "a4"]);
  });

  test("with turns takes them also between jobs that came before", async () => {
    const bench = setup();
    const before: NewJob = { group: { name: "a:task q k", limit: 1 } };
    await bench.put({ ...named("a", 3, before), b0: { group: { name: "a:task q l", limit: 1 } } });
    await bench.redis.hset(bench.keys.groups, "%a:task", "0 0 1", "%", 1);
    await bench.redis.hdel(bench.keys.groups, "a:task");
    expect(await take(bench, 1)).toEqual(["a0"]);
    expect(await take(bench, 10)).toEqual(["b0", "a1", "a2"]);
  });
});

test("nothing of a key is left when its jobs have ended", async () => {
  const bench = setup();
  await bench.put(named("a", 3, of("k")));
  const ids = await take(bench, 3);
  await bench.advance("A", { dropped: ids });
  const { groups, limited, waiting } = await bench.shard();
  expect([limited, waiting, groups]).toEqual([{}, [], { "#": "3", "#q": "0", "%": "1", "%a:task": "0 0 1" }]);
});
