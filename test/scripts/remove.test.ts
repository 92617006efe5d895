import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const KEYED: NewJob = { key: "a:task k", keyTtlMs: HOUR_MS };
const COMPLETED = runText({ attempts: 1, state: "completed", detail: { a: [1] } });

const gone: [state: string, job: NewJob, reach: (bench: ShardBench) => Promise<unknown>][] = [
  ["scheduled", { ...KEYED, due: "+5000" }, async () => undefined],
  [
    "waiting for its retry",
    KEYED,
    async (bench) => {
      await bench.claim("A", 1);
      await bench.fail("A", "a", "retry");
    },
  ],
  [
    "completed",
    KEYED,
    async (bench) => {
      await bench.claim("A", 1);
      await bench.advance("A", { kept: [{ id: "a", run: COMPLETED, keepMs: HOUR_MS }] });
    },
  ],
  [
    "dead",
    KEYED,
    async (bench) => {
      await bench.claim("A", 1);
      await bench.fail("A", "a", "dead");
    },
  ],
  [
    "dead and holding its key",
    { ...KEYED, options: { hold: 1 } },
    async (bench) => {
      await bench.claim("A", 1);
      await bench.fail("A", "a", "dead");
    },
  ],
  ["cancelled while scheduled", { ...KEYED, due: "+5000" }, (bench) => bench.cancel("a")],
  [
    "cancelled, and passed by its list",
    KEYED,
    async (bench) => {
      await bench.cancel("a");
      await bench.claim("A", 1);
      await bench.discard("A", ["a"]);
    },
  ],
];

const placed: [state: string, job: NewJob, reach: (bench: ShardBench) => Promise<unknown>][] = [
  ["pending", KEYED, async () => undefined],
  ["cancelled in its list", KEYED, (bench) => bench.cancel("a")],
  [
    "back in its list after a failure",
    KEYED,
    async (bench) => {
      await bench.claim("A", 1);
      await bench.fail("A", "a", "retry", { run: runText({ attempts: 1, state: "retry" }), ms: 0 });
      await bench.advance("A");
    },
  ],
  [
    "back in its list after a crash",
    KEYED,
    async (bench) => {
      await bench.claim("A", 1);
      await bench.endLease("A");
      await bench.reclaim("A", ["a"]);
    },
  ],
];

describe("a job that is deleted", () => {
  test.each(gone)("while %s is gone with all that is known about it", async (_state, job, reach) => {
    const bench = setup();
    await bench.put({ a: job });
    await reach(bench);
    expect(await bench.remove("a")).toBe("REMOVED");
    const { jobs, runs, done, dead, due, keys, pending } = await bench.shard();
    expect({ jobs, runs, done, dead, due, keys, pending }).toEqual({
      jobs: {},
      runs: {},
      done: {},
      dead: {},
      due: {},
      keys: {},
      pending: {},
    });
    expect((await bench.put({ a: { ...job, ownId: true } })).known).toEqual([]);
  });

  test.each(placed)(
    "while %s leaves a tombstone until the list has passed it",
    async (_state, job, reach) => {
      const bench = setup();
      await bench.put({ a: job });
      await reach(bench);
      expect(await bench.remove("a")).toBe("REMOVED");
      const { jobs, runs, done, keys, pending } = await bench.shard();
      expect({ jobs, runs, done, keys, pending }).toEqual({
        jobs: { a: "[0]" },
        runs: {},
        done: {},
        keys: {},
        pending: { q: ["a"] },
      });
      expect(await bench.remove("a")).toBe("NOTFOUND");
      await bench.claim("B", 1);
      await bench.discard("B", ["a"]);
      expect((await bench.shard()).jobs).toEqual({});
      expect((await bench.put({ a: { ...job, ownId: true } })).known).toEqual([]);
    },
  );

  test("tells those who wait", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.await("a", "client");
    await bench.remove("a");
    expect((await bench.shard()).waits).toEqual({});
    expect(await bench.await("a", "client")).toBe("NOTFOUND");
  });

  test("does not take a key that belongs to a later job", async () => {
    const bench = setup();
    await bench.put({ a: { ...KEYED, keyTtlMs: 0 } });
    await bench.put({ b: KEYED });
    await bench.remove("a");
    expect((await bench.shard()).keys).toEqual({ "a:task k": "b" });
  });
});

describe("a job that cannot be deleted", () => {
  test("has left the state that is meant", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "dead");
    await bench.retry("a");
    const before = await bench.shard();
    expect(await bench.remove("a", "q", "dead")).toEqual({ moved: "pending" });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
    expect(await bench.remove("a", "q", "pending")).toBe("REMOVED");
  });

  test("is held by a worker", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.claim("A", 1);
    const before = await bench.shard();
    expect(await bench.remove("a")).toBe("ACTIVE");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("is not there", async () => {
    expect(await setup().remove("never")).toBe("NOTFOUND");
  });
});
