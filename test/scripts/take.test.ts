// A claim behind a blocking pop: of one job, and only where nothing but the job is to be looked at.
import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards } from "./shard-bench.js";

const setup = useShards();

describe("take", () => {
  test("gives the first job of the first queue that has one, with its texts", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ a: {} });
    const taken = await bench.take("A", ["other", "q"]);
    const shard = await bench.shard();
    expect(taken).toEqual({ id: "a", record: shard.jobs["a"], run: undefined, more: false });
    expect([shard.active, shard.pending]).toEqual([{ a: "A" }, {}]);
  });

  test("gives the run of a job that was tried before", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ a: {} });
    await bench.take("A");
    await bench.reclaim("A", ["a"], { reason: "handed-back" });
    const run = runText({ attempts: 1, state: "pending" });
    await bench.redis.hset(bench.keys.runs, "a", run);
    expect(await bench.take("A")).toMatchObject({ id: "a", run });
  });

  test("wakes another worker for what it leaves", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ a: {}, b: {} });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.take("A")).toMatchObject({ id: "a", more: true });
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.take("A")).toMatchObject({ id: "b", more: false });
    expect((await bench.shard()).wake).toEqual({});
  });

  test("says that there is more where a job is due later: the hint may have been for it", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ a: {}, later: { due: `+${HOUR_MS}` } });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.take("A")).toMatchObject({ id: "a", more: true });
    expect((await bench.shard()).wake).toEqual({});
  });

  test("takes an id whose record is gone, which is to be discarded", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ a: {} });
    await bench.redis.hdel(bench.keys.jobs, "a");
    expect(await bench.take("A")).toMatchObject({ id: "a", record: null });
    await bench.discard("A", ["a"]);
  });

  test("takes nothing where there is nothing, something is paused, or jobs have limits", async () => {
    const bench = setup();
    await bench.register("A");
    expect(await bench.take("A")).toBe("NONE");
    await bench.put({ a: {} });
    await bench.redis.hset(bench.keys.paused, "other", 1);
    expect(await bench.take("A")).toBe("NONE");
    await bench.redis.del(bench.keys.paused);
    await bench.redis.hset(bench.keys.limited, "x", "1 q a:task k");
    expect(await bench.take("A")).toBe("NONE");
    await bench.redis.del(bench.keys.limited);
    expect(await bench.take("A")).toMatchObject({ id: "a" });
  });

  test("takes nothing for a worker without a lease", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    expect(await bench.take("A")).toBe("LOST");
    await bench.register("A");
    await bench.redis.zadd(bench.keys.leases, 0, "A");
    expect(await bench.take("A")).toBe("LOST");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });
});
