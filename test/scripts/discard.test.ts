import { describe, expect, test } from "vitest";
import { runText, useShards } from "./shard-bench.js";

const setup = useShards();

describe("discard", () => {
  test("lets a deleted job go with its tombstone", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.remove("a");
    await bench.claim("A", 1);
    expect(await bench.discard("A", ["a"])).toBe(0);
    const shard = await bench.shard();
    expect([shard.jobs, shard.runs, shard.active, shard.pending]).toEqual([{}, {}, {}, {}]);
  });

  test("takes its place from a cancelled job, so that a retry gives it a new one", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.cancel("a");
    expect(await bench.runOf("a")).toMatchObject({ detail: 1 });
    await bench.claim("A", 1);
    expect(await bench.discard("A", ["a"])).toBe(0);
    expect(await bench.runOf("a")).toMatchObject({ state: "cancelled", detail: null });
    await bench.retry("a");
    expect((await bench.shard()).pending).toEqual({ q: ["b", "a"] });
  });

  test("puts a job that may run back to the front of its queue, with a hint", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: { queue: "x" }, c: {} });
    await bench.register("A");
    const quotas = ["q", "x"].map((queue) => ({ queue, quota: 1 }));
    await bench.advance("A", { want: 2, quotas });
    await bench.redis.del(bench.keys.queue("q").wake, bench.keys.queue("x").wake);
    expect(await bench.discard("A", ["a"])).toBe(1);
    expect(await bench.discard("A", ["b"], "x")).toBe(1);
    const shard = await bench.shard();
    expect([shard.pending, shard.active]).toEqual([{ q: ["a", "c"], x: ["b"] }, {}]);
    expect(shard.wake).toEqual({ q: ["1"], x: ["1"] });
  });

  test("never puts a job back that has ended", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "dead", { run: runText({ attempts: 1, state: "dead" }) });
    await bench.redis.hset(bench.keys.active, "a", "A"); // what no script does
    expect(await bench.discard("A", ["a"])).toBe(0);
    const shard = await bench.shard();
    expect([shard.pending, shard.active, Object.keys(shard.dead)]).toEqual([{}, {}, ["a"]]);
  });

  test("lets go of an id that means nothing", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.redis.hset(bench.keys.active, "ghost", "A");
    expect(await bench.discard("A", ["ghost"])).toBe(0);
    expect((await bench.shard()).active).toEqual({});
  });

  test("leaves another worker's jobs alone, also when it is sent twice", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 1);
    await bench.claim("B", 1);
    expect(await bench.discard("A", ["a", "b"])).toBe(1);
    expect(await bench.discard("A", ["a", "b"])).toBe(0);
    const shard = await bench.shard();
    expect([shard.pending, shard.active]).toEqual([{ q: ["a"] }, { b: "B" }]);
  });

  test("after a sweep took the cancelled job: the tombstone goes too", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.cancel("a");
    await bench.claim("A", 1);
    await bench.redis.zadd(bench.keys.done, "XX", 1, "a");
    await bench.sweep();
    expect((await bench.shard()).jobs).toEqual({ a: "[0]" });
    await bench.discard("A", ["a"]);
    expect((await bench.shard()).jobs).toEqual({});
  });
});
