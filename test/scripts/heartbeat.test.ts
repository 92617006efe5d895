import { describe, expect, test } from "vitest";
import { HOUR_MS, useShards } from "./shard-bench.js";

const setup = useShards();

describe("a worker", () => {
  test("registers with a lease and what is known about it", async () => {
    const bench = setup();
    await bench.register("A", HOUR_MS);
    const shard = await bench.shard();
    expect(shard.workers).toEqual({ A: '{"name":"A"}' });
    expect(shard.leases["A"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect(shard.leases["A"]).toBeLessThanOrEqual(shard.nowMs + HOUR_MS);
  });

  test("renews its lease and learns the time", async () => {
    const bench = setup();
    await bench.register("A", 1000);
    const reply = await bench.beat("A", HOUR_MS);
    const shard = await bench.shard();
    expect(reply).toEqual({ nowMs: shard.leases["A"]! - HOUR_MS, cancels: [], expired: [] });
  });

  test("that never registered, was condemned or is forgotten has LOST its lease, and gets none by renewing", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    expect(await bench.beat("A")).toBe("LOST");
    expect((await bench.shard()).leases).toEqual({});
    await bench.claim("A", 1);
    await bench.endLease("A");
    await bench.reclaim("A", ["nothing"]);
    expect(await bench.beat("A")).toBe("LOST");
    expect((await bench.shard()).leases).toEqual({ A: 0 });
    await bench.reclaim("A", ["a"]);
    await bench.reclaim("A", []);
    expect(await bench.beat("A")).toBe("LOST");
    expect((await bench.shard()).leases).toEqual({});
  });

  test("no job can have the id of the field that pads the active hash", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.put({ "-": { ownId: true, options: { at: 1 } }, "--": {} });
    expect(await bench.claim("A", 2)).toEqual(["--", "-"]);
    await bench.fail("A", "-", "retry", { ms: 0 });
    expect(await bench.cancel("-")).toBe("CANCELLED");
  });
});

describe("after a silence of all workers", () => {
  const LEASE_MS = 10_000;

  /** A and B have leases that ended `endedMs` ago; nobody was heard for `silentMs`. */
  async function setupSilence(silentMs: number, endedMs = 1000) {
    const bench = setup();
    for (const worker of ["A", "B"]) await bench.register(worker, LEASE_MS);
    const { nowMs } = await bench.shard();
    await bench.redis.set(bench.keys.tick, nowMs - silentMs);
    for (const worker of ["A", "B"]) await bench.redis.zadd(bench.keys.leases, nowMs - endedMs, worker);
    return bench;
  }

  test("the first that is heard prolongs the leases of all, also of those that ended", async () => {
    const bench = await setupSilence(8000);
    const reply = await bench.beat("A", LEASE_MS);
    expect(reply).toMatchObject({ expired: [] });
    const { leases, tick } = await bench.shard();
    const [a, b] = [leases["A"]!, leases["B"]!];
    expect(b).toBe(a + 0.5);
    expect(Number(tick)).toBe(a - LEASE_MS);
  });

  test("one that registers counts as heard", async () => {
    const bench = await setupSilence(8000);
    await bench.register("C", LEASE_MS);
    expect(await bench.beat("C", LEASE_MS)).toMatchObject({ expired: [] });
  });

  test("only once, until the worker renews by itself", async () => {
    const bench = await setupSilence(8000);
    const later = async (): Promise<void> => {
      const { nowMs, leases } = await bench.shard();
      await bench.redis.set(bench.keys.tick, nowMs - 8000);
      for (const worker of ["A", "B"]) {
        await bench.redis.zadd(bench.keys.leases, leases[worker]! - LEASE_MS - 1000, worker);
      }
    };
    await bench.beat("A", LEASE_MS);
    await later();
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["B"] });
    await bench.beat("B", LEASE_MS);
    await later();
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: [] });
  });

  test("a silence that a worker may keep while it lives prolongs nothing", async () => {
    const bench = await setupSilence(6500);
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["B"] });
  });

  test("a longer lease stays as it is, and a condemned worker stays condemned", async () => {
    const bench = await setupSilence(8000);
    await bench.register("long", HOUR_MS);
    await bench.register("C", LEASE_MS);
    const { nowMs, leases } = await bench.shard();
    await bench.redis.zadd(bench.keys.leases, 0, "C");
    await bench.redis.set(bench.keys.tick, nowMs - 8000);
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["C"] });
    expect((await bench.shard()).leases).toMatchObject({ C: 0, long: leases["long"] });
  });
});

describe("the answer names", () => {
  test("the cancels of its own jobs, and drops those of jobs that are held no more", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 1);
    await bench.claim("B", 1);
    await bench.cancel("a");
    await bench.cancel("b");
    await bench.redis.sadd(bench.keys.cancels, "left-over");
    expect(await bench.beat("A")).toMatchObject({ cancels: ["a"] });
    expect((await bench.shard()).cancels).toEqual(["a", "b"]);
    expect(await bench.beat("B")).toMatchObject({ cancels: ["b"] });
  });

  test("workers whose lease has ended, at most ten at a time", async () => {
    const bench = setup();
    for (let i = 0; i < 12; i++) {
      await bench.register(`W${i}`);
      await bench.redis.zadd(bench.keys.leases, 1 + i, `W${i}`);
    }
    await bench.register("A");
    const reply = await bench.beat("A");
    expect(reply).toMatchObject({ expired: Array.from({ length: 10 }, (_unused, i) => `W${i}`) });
  });

  test("a condemned worker until it is forgotten, so that a reaper that died is replaced", async () => {
    const bench = setup();
    await bench.register("A");
    await bench.register("B");
    await bench.endLease("B");
    await bench.reclaim("B", ["nothing"]);
    expect(await bench.beat("A")).toMatchObject({ expired: ["B"] });
    await bench.reclaim("B", []);
    expect(await bench.beat("A")).toMatchObject({ expired: [] });
  });
});
