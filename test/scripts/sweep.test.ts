import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const COMPLETED = runText({ attempts: 1, state: "completed", detail: 1 });

async function complete(bench: ShardBench, keep: Readonly<Record<string, number>>): Promise<void> {
  await bench.put(Object.fromEntries(Object.keys(keep).map((id) => [id, {}])));
  await bench.claim("A", Object.keys(keep).length);
  const kept = Object.entries(keep).map(([id, keepMs]) => ({ id, run: COMPLETED, keepMs }));
  await bench.advance("A", { kept });
}

describe("sweep", () => {
  test("removes what has expired and leaves the rest", async () => {
    const bench = setup();
    await complete(bench, { old: 0, young: HOUR_MS });
    await bench.put({ dies: {}, dead: {} });
    for (const id of await bench.claim("A", 2)) await bench.fail("A", id, "dead");
    await bench.redis.zadd(bench.keys.dead, "XX", 1, "dies");
    await bench.put({ k: { key: "a:task k", keyTtlMs: 0 }, l: { key: "a:task l", keyTtlMs: HOUR_MS } });
    expect(await bench.sweep()).toEqual({ done: 1, dead: 1, keys: 1, events: 0, listeners: 0 });
    const shard = await bench.shard();
    expect(Object.keys(shard.jobs).toSorted()).toEqual(["dead", "k", "l", "young"]);
    expect([Object.keys(shard.runs).toSorted(), Object.keys(shard.done)]).toEqual([
      ["dead", "young"],
      ["young"],
    ]);
    expect([shard.keys, Object.keys(shard.keysExpiry)]).toEqual([{ "a:task l": "l" }, ["a:task l"]]);
  });

  test("has nothing to do in an empty shard, and nothing left to do after itself", async () => {
    const bench = setup();
    expect(await bench.sweep()).toEqual({ done: 0, dead: 0, keys: 0, events: 0, listeners: 0 });
    await complete(bench, { a: 0 });
    await bench.sweep();
    expect(await bench.sweep()).toEqual({ done: 0, dead: 0, keys: 0, events: 0, listeners: 0 });
  });

  test("is one worker's turn for a while, which goes on when it says so", async () => {
    const bench = setup();
    const take = (goesOn: boolean) => bench.sweep(500, { forMs: HOUR_MS, goesOn });
    expect(await take(false)).not.toBe("SWEPT");
    await complete(bench, { a: 0 });
    expect(await take(false)).toBe("SWEPT");
    await bench.redis.pexpire(bench.keys.swept, 60_000);
    expect(await take(true)).toMatchObject({ done: 1 });
    expect(await bench.redis.pttl(bench.keys.swept)).toBeGreaterThan(60_000);
    await bench.redis.del(bench.keys.swept);
    expect(await take(true)).not.toBe("SWEPT");
    expect(await take(false)).toBe("SWEPT");
  });

  test("is soon somebody's turn when the clock of Redis was set back", async () => {
    const bench = setup();
    const take = () => bench.sweep(500, { forMs: 45_000, goesOn: false });
    const ahead = Number((await bench.redis.time())[0]) * 1000 + HOUR_MS;
    await bench.redis.set(bench.keys.swept, ahead, "PX", HOUR_MS + 45_000);
    expect(await take()).not.toBe("SWEPT");
    expect(await bench.redis.pttl(bench.keys.swept)).toBeLessThanOrEqual(45_000);
    expect(await take()).toBe("SWEPT");
  });

  test("removes at most so many of each kind, the oldest first", async () => {
    const bench = setup();
    const keyed = (key: string): NewJob => ({ key: `a:task ${key}`, keyTtlMs: 0 });
    await complete(bench, { a: 0, b: 0, c: 0 });
    await bench.put({ k: keyed("1"), l: keyed("2"), m: keyed("3") });
    for (const [index, id] of ["b", "c", "a"].entries())
      await bench.redis.zadd(bench.keys.done, "XX", index, id);
    expect(await bench.sweep(2)).toEqual({ done: 2, dead: 0, keys: 2, events: 0, listeners: 0 });
    expect(Object.keys((await bench.shard()).done)).toEqual(["a"]);
    expect(await bench.sweep(2)).toEqual({ done: 1, dead: 0, keys: 1, events: 0, listeners: 0 });
  });

  test("leaves a tombstone for a cancelled job that has its place in a list, none for others", async () => {
    const bench = setup();
    await bench.put({ placed: {}, scheduled: { due: "+5000" } });
    await bench.cancel("placed");
    await bench.cancel("scheduled");
    await bench.redis.zadd(bench.keys.done, "XX", 1, "placed", 1, "scheduled");
    expect(await bench.sweep()).toMatchObject({ done: 2 });
    const shard = await bench.shard();
    expect([shard.jobs, shard.runs, shard.pending]).toEqual([{ placed: "[0]" }, {}, { q: ["placed"] }]);
    await bench.claim("A", 1);
    await bench.discard("A", ["placed"]);
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("does not take a completed job whose result looks like a place for one", async () => {
    const bench = setup();
    await complete(bench, { a: 0 });
    await bench.sweep();
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("does not take a job that was retried before its end came", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.cancel("a");
    await bench.redis.zadd(bench.keys.done, "XX", 1, "a");
    await bench.retry("a");
    expect(await bench.sweep()).toMatchObject({ done: 0 });
    expect(await bench.claim("A", 1)).toEqual(["a"]);
  });

  test("takes 500 of a kind in one call", async () => {
    const bench = setup();
    for (let from = 0; from < 600; from += 200) {
      await complete(
        bench,
        Object.fromEntries(Array.from({ length: 200 }, (_unused, i) => [`j${from + i}`, 0])),
      );
    }
    expect([await bench.sweep(), await bench.sweep()]).toMatchObject([{ done: 500 }, { done: 100 }]);
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("removes events whose retention has ended, at most so many", async () => {
    const bench = setup();
    for (const id of ["a", "b", "c"]) expect(await bench.keep(id, { keepMs: 0 })).toBe("KEPT");
    await bench.keep("young", { keepMs: HOUR_MS });
    expect([await bench.sweep(2), await bench.sweep(2)]).toMatchObject([
      { events: 2, listeners: 0 },
      { events: 1 },
    ]);
    const { events, eventsExpiry } = await bench.shard();
    expect([Object.keys(events), Object.keys(eventsExpiry)]).toEqual([["e young"], ["e young"]]);
  });
});
