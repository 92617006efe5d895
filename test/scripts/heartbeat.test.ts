import { describe, expect, test } from "vitest";
import { HOUR_MS, type ShardBench, useShards } from "./shard-bench.js";

const setup = useShards();

describe("a worker", () => {
  test("registers with a lease and what is known about it", async () => {
    const bench = setup();
    await bench.register("A", HOUR_MS);
    const shard = await bench.shard();
    expect(shard.workers).toEqual({ A: `{"name":"A","leaseMs":${HOUR_MS}}` });
    expect(shard.leases["A"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect(shard.leases["A"]).toBeLessThanOrEqual(shard.nowMs + HOUR_MS);
  });

  test("renews its lease and learns the time", async () => {
    const bench = setup();
    await bench.register("A", 1000);
    const reply = await bench.beat("A", HOUR_MS);
    const shard = await bench.shard();
    const nothing = { cancels: [], expired: [], nextEndMs: -1, workMs: -1 };
    expect(reply).toEqual({ nowMs: shard.leases["A"]! - HOUR_MS, ...nothing });
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

describe("a worker that sleeps", () => {
  test("clears the gate of notes whose jobs were purged, and keeps what is noted of past starts", async () => {
    const bench = setup();
    await bench.register("A");
    const stale = ["\nq\na:task k", "\nq\n0000000000000009\na:task l", "\nq\va:task m"];
    const started = "\r0000000000000009\na:task l";
    await bench.redis.zadd(bench.keys.waiting, ...[...stale, started].flatMap((member) => [0, member]));
    await bench.redis.hset(bench.keys.limited, "held", "0000000000000001 q a:task n");
    expect(await bench.beat("A", HOUR_MS, ["q"])).toMatchObject({ workMs: 0 });
    await bench.redis.del(bench.keys.limited);
    expect(await bench.beat("A", HOUR_MS, ["q"])).toMatchObject({ workMs: -1 });
    expect((await bench.shard()).waiting).toEqual([started]);
  });
});

describe("after a silence of all workers", () => {
  const LEASE_MS = 10_000;

  /** A and B, each of which was heard last so long ago. */
  async function setupSilence(silentMs: number, silentOfBMs = silentMs) {
    const bench = setup();
    for (const worker of ["A", "B"]) await bench.register(worker, LEASE_MS);
    await heardBefore(bench, { A: silentMs, B: silentOfBMs });
    return bench;
  }

  async function heardBefore(bench: ShardBench, silences: Readonly<Record<string, number>>, mark = 0) {
    const { nowMs } = await bench.shard();
    for (const [worker, silentMs] of Object.entries(silences))
      await bench.redis.zadd(bench.keys.leases, nowMs - silentMs + LEASE_MS + mark, worker);
  }

  test("the first that is heard prolongs the leases of all, also of those that ended", async () => {
    const bench = await setupSilence(11_000, 7500);
    const reply = await bench.beat("A", LEASE_MS);
    expect(reply).toMatchObject({ expired: [] });
    const { leases } = await bench.shard();
    expect(leases["B"]).toBe(leases["A"]! + 0.5);
  });

  test("one that registers counts as heard", async () => {
    const bench = await setupSilence(11_000);
    await bench.register("C", LEASE_MS);
    expect(await bench.beat("C", LEASE_MS)).toMatchObject({ expired: [] });
  });

  test("only once, until the worker renews by itself", async () => {
    const bench = await setupSilence(11_000);
    const later = (mark: number) => heardBefore(bench, { A: 11_000, B: 11_000 }, mark);
    await bench.beat("A", LEASE_MS);
    await later(0.5);
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["B"] });
    await bench.beat("B", LEASE_MS);
    await later(0);
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: [] });
  });

  test("a silence that a worker may keep while it lives prolongs nothing", async () => {
    const bench = await setupSilence(6000, 11_000);
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["B"] });
  });

  test("a longer lease stays as it is, and a condemned worker stays condemned", async () => {
    const bench = await setupSilence(11_000);
    await bench.register("long", HOUR_MS);
    await bench.register("C", LEASE_MS);
    const { nowMs } = await bench.shard();
    await bench.redis.zadd(bench.keys.leases, nowMs - 11_000 + HOUR_MS, "long");
    const { leases } = await bench.shard();
    await heardBefore(bench, { A: 11_000, B: 11_000 });
    await bench.redis.zadd(bench.keys.leases, 0, "C");
    expect(await bench.beat("A", LEASE_MS)).toMatchObject({ expired: ["C"] });
    expect((await bench.shard()).leases).toMatchObject({ C: 0, long: leases["long"] });
  });
});

describe("beside workers with longer leases", () => {
  /** A and C have the shorter one, and were heard last 12 s ago; B so long ago. */
  async function setupLengths(silentOfBMs: number): Promise<ShardBench> {
    const bench = setup();
    for (const worker of ["A", "C"]) await bench.register(worker, 10_000);
    await bench.register("B", 20_000);
    const { nowMs } = await bench.shard();
    const ends = { A: nowMs - 12_000 + 10_000, B: nowMs - silentOfBMs + 20_000, C: nowMs - 12_000 + 10_000 };
    for (const [worker, end] of Object.entries(ends)) await bench.redis.zadd(bench.keys.leases, end, worker);
    return bench;
  }

  test("an outage is one although a longer lease has not ended", async () => {
    const bench = await setupLengths(12_000);
    expect(await bench.beat("A", 10_000)).toMatchObject({ expired: [] });
    expect(await bench.beat("C", 10_000)).not.toBe("LOST");
  });

  test("one with a longer lease that was heard shows that there was no outage", async () => {
    const bench = await setupLengths(1000);
    expect(await bench.beat("A", 10_000)).toMatchObject({ expired: ["C"] });
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
    await bench.register("A");
    for (let i = 0; i < 12; i++) {
      await bench.register(`W${i}`);
      await bench.redis.zadd(bench.keys.leases, 1 + i, `W${i}`);
    }
    const reply = await bench.beat("A");
    // And that there may be more of them.
    expect(reply).toMatchObject({
      expired: Array.from({ length: 10 }, (_unused, i) => `W${i}`),
      nextEndMs: 0,
    });
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

  test("when the next lease of another worker ends", async () => {
    const bench = setup();
    for (const worker of ["A", "B", "C", "D"]) await bench.register(worker);
    await bench.endLease("D");
    const { leases } = await bench.shard();
    await bench.redis.zadd(bench.keys.leases, leases["C"]! - 60_000, "C", leases["A"]! - 90_000, "A");
    const reply = await bench.beat("A");
    if (reply === "LOST") throw new Error(reply);
    expect(reply.nextEndMs).toBe(leases["C"]! - 60_000 - reply.nowMs);
  });

  test("a condemned worker behind ten others that it is condemned", async () => {
    const bench = setup();
    await bench.register("Z");
    for (let i = 0; i < 10; i++) await bench.redis.zadd(bench.keys.leases, 0, `W${i}`);
    expect(await bench.beat("Z")).not.toBe("LOST");
    await bench.redis.zadd(bench.keys.leases, 0, "Z");
    expect(await bench.beat("Z")).toBe("LOST");
    expect((await bench.shard()).leases["Z"]).toBe(0);
  });
});

describe("a worker that sleeps hears of", () => {
  test("nothing where its queues are empty, whatever is in others", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.register("A");
    expect(await bench.beat("A", HOUR_MS, ["other"])).toMatchObject({ workMs: -1 });
    expect(await bench.beat("A")).toMatchObject({ workMs: -1 });
  });

  test("jobs that are ready, and those that wait at the gate", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.register("A");
    expect(await bench.beat("A", HOUR_MS, ["other", "q"])).toMatchObject({ workMs: 0 });
    await bench.claim("A", 1);
    expect(await bench.beat("A", HOUR_MS, ["q"])).toMatchObject({ workMs: -1 });
    await bench.redis.zadd(bench.keys.waiting, 0, "somebody");
    await bench.redis.hset(bench.keys.limited, "somebody", "0000000000000001 q a:task k");
    expect(await bench.beat("A", HOUR_MS, ["q"])).toMatchObject({ workMs: 0 });
    await bench.redis.del(bench.keys.waiting, bench.keys.limited);
  });

  test("the nearest due time of its queues", async () => {
    const bench = setup();
    await bench.put({ late: { due: `+${HOUR_MS}` } });
    await bench.register("A");
    const far = await bench.beat("A", HOUR_MS, ["other", "q"]);
    if (far === "LOST") throw new Error(far);
    expect(far.workMs).toBe((await bench.shard()).due["q"]!["late"]! - far.nowMs);
    await bench.put({ over: { due: "1" } });
    await bench.redis.zadd(bench.keys.queue("q").due, 1, "over");
    expect(await bench.beat("A", HOUR_MS, ["q"])).toMatchObject({ workMs: 0 });
  });
});

test("a heartbeat of a worker with nothing to do is five commands", async () => {
  const bench = setup();
  for (const worker of ["A", "B"]) await bench.register(worker);
  await bench.beat("A", 2 * HOUR_MS, ["q", "other"]);
  await bench.redis.config("RESETSTAT");
  await bench.beat("A", HOUR_MS, ["q", "other"]);
  const stats = await bench.redis.info("commandstats");
  const calls = [...stats.matchAll(/cmdstat_(?!info|config)\S+:calls=(\d+)/g)].map(([, n]) => Number(n));
  expect(calls.reduce((sum, n) => sum + n, 0)).toBe(5);
});
