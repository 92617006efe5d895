// Saved slots (decision 64): while the list of a queue is long, a group lets nobody in until it has several slots.
import { describe, expect, test } from "vitest";
import { useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

/** A job of the group `key` of the task `a:task`. */
const of = (key: string, limit: number): NewJob => ({ group: { name: `a:task ${key}`, limit } });
const waiting = async (bench: ShardBench): Promise<number> =>
  Number((await bench.redis.hget(bench.keys.groups, "#q")) ?? 0);
/** Saved slots were last given out so long ago. */
const lastGivenOut = async ({ redis, keys }: ShardBench, ms: number): Promise<void> => {
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  await redis.hset(keys.groups, "&q", `${now - ms} `);
};
const named = (prefix: string, count: number, job: NewJob): Record<string, NewJob> =>
  Object.fromEntries(Array.from({ length: count }, (_unused, n) => [`${prefix}${n}`, job]));

describe("a group with a limit, before a long list,", () => {
  test("saves up slots while the list is long, and lets all in once it is not", async () => {
    const bench = setup();
    // Between two calls less than a second passes, however slow the machine is.
    const soon = async (worker: string, call: Parameters<ShardBench["advance"]>[1]) => {
      await lastGivenOut(bench, 0);
      await bench.advance(worker, call);
    };
    await bench.put(named("k", 12, of("k", 10)));
    await bench.put(named("free", 1010, {}));
    const held = await bench.claim("A", 10);
    expect(held).toEqual(["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"]);
    await soon("A", { dropped: held.slice(0, 3) });
    await soon("A", { dropped: held.slice(3, 4) });
    expect(await waiting(bench)).toBe(2);
    await soon("A", { dropped: held.slice(4, 5) });
    expect(await waiting(bench)).toBe(0);
    await bench.put(named("l", 6, of("k", 10)));
    expect(await waiting(bench)).toBe(3);
    await soon("A", { dropped: held.slice(5, 6) });
    await soon("A", { want: 10 });
    expect(await waiting(bench)).toBe(3);
    await bench.register("B");
    await soon("B", { want: 10 });
    expect([await waiting(bench), await bench.redis.llen(bench.keys.queue("q").pending)]).toEqual([3, 995]);
    await soon("B", { want: 10 });
    expect(await waiting(bench)).toBe(2);
  });

  test("gives out saved slots every second, to all groups in turn", async () => {
    const bench = setup();
    const keys = Array.from({ length: 150 }, (_unused, n) => `k${n}`);
    for (const n of [0, 1, 2, 3, 4]) {
      await bench.put(Object.fromEntries(keys.map((key) => [`${key}-${n}`, of(key, 4)])));
    }
    await bench.put(named("free", 1100, {}));
    const held = await bench.claim("A", 600);
    await lastGivenOut(bench, 0);
    await bench.advance("A", { dropped: held.slice(0, 150) });
    expect(await waiting(bench)).toBe(150);
    await lastGivenOut(bench, 1000);
    await bench.advance("A", {});
    expect(await waiting(bench)).toBe(50);
    await bench.advance("A", {});
    expect(await waiting(bench)).toBe(0);
  });

  test("notes its room before a long list also when the limit was raised meanwhile", async () => {
    const bench = setup();
    await bench.put(named("k", 14, of("k", 10)));
    await bench.put(named("free", 1000, {}));
    const held = await bench.claim("A", 10);
    await lastGivenOut(bench, 0);
    await bench.redis.hset(bench.keys.groups, "a:task", 12);
    await bench.advance("A", { dropped: held.slice(0, 1) });
    await bench.redis.hset(bench.keys.groups, "&q", "spoiled"); // counts as long ago
    await bench.advance("A", {});
    expect(await waiting(bench)).toBe(1);
  });
});
