import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob } from "./shard-bench.js";

const setup = useShards();

const KEYED: NewJob = { key: "a:task k", keyTtlMs: HOUR_MS };
const TAKEN = { taken: 1, unknownQueues: [] };

/** Worker A holds job `a` and its lease has ended. */
async function setupLost(job: NewJob = {}) {
  const bench = setup();
  await bench.put({ a: job });
  await bench.claim("A", 1);
  await bench.endLease("A");
  await bench.redis.del(bench.keys.queue("q").wake);
  return bench;
}

describe("after a crash", () => {
  test("a job goes back to the front of its queue, with the crash on record and no attempt spent", async () => {
    const bench = await setupLost(KEYED);
    await bench.put({ waiting: {} });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([shard.pending, shard.active, shard.wake]).toEqual([{ q: ["a", "waiting"] }, {}, { q: ["1"] }]);
    expect([shard.keys, shard.leases]).toEqual([{ "a:task k": "a" }, { A: 0 }]);
    const run = await bench.runOf("a");
    expect(run).toMatchObject({ attempts: 0, crashes: 1, state: "pending", detail: null });
    expect(run.events).toEqual([[expect.any(Number), "crashed", "A"]]);
    expect(run.events[0]?.[0]).toBeGreaterThan(shard.nowMs - 60_000);
  });

  test("crashes are counted over workers and apart from attempts; the last one allowed is evidence and death", async () => {
    const bench = await setupLost(KEYED);
    await bench.reclaim("A", ["a"]);
    await bench.claim("B", 1);
    await bench.fail("B", "a", "retry", { run: runText({ attempts: 1, crashes: 1, state: "retry" }), ms: 0 });
    await bench.claim("B", 1);
    await bench.endLease("B");
    await bench.reclaim("B", ["a"], { suspectWaitMs: 0 });
    expect(await bench.runOf("a")).toMatchObject({ attempts: 1, crashes: 2, state: "retry" });
    await bench.claim("C", 1);
    await bench.runAlone("C", "a");
    await bench.await("a", "client");
    await bench.endLease("C");
    expect(await bench.reclaim("C", ["a"])).toEqual(TAKEN);
    const run = await bench.runOf("a");
    expect(run).toMatchObject({ attempts: 1, crashes: 3, state: "dead" });
    expect(run.events.map((event) => event.slice(1))).toEqual([
      ["crashed", "B"],
      ["alone", "C"],
      ["crashed", "C"],
    ]);
    const shard = await bench.shard();
    expect(shard.dead["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect([shard.keys, shard.waits, shard.pending]).toEqual([{}, {}, {}]);
  });

  test("a suspect waits, and leaves a hint for workers that know of no due time", async () => {
    const bench = await setupLost();
    expect(await bench.reclaim("A", ["a"], { maxCrashes: 2 })).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([shard.pending, shard.active, shard.wake]).toEqual([{}, {}, { q: ["1"] }]);
    expect(shard.due["q"]?.["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect(await bench.runOf("a")).toMatchObject({ crashes: 1, state: "retry" });
  });

  test("a suspect that did not run alone had not started: it waits again, and pays for nobody's crash", async () => {
    const bench = await setupLost();
    await bench.reclaim("A", ["a"], { maxCrashes: 2, suspectWaitMs: 0 });
    const before = await bench.claim("B", 1).then(() => bench.runOf("a"));
    await bench.endLease("B");
    expect(await bench.reclaim("B", ["a"], { maxCrashes: 2 })).toEqual(TAKEN);
    expect(await bench.runOf("a")).toEqual(before);
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["a"]);
  });

  test("that it ran alone in another worker, or alone and then not any more, is held against nobody", async () => {
    const bench = await setupLost();
    const call = { maxCrashes: 2, suspectWaitMs: 0 };
    await bench.reclaim("A", ["a"], call);
    await bench.claim("B", 1);
    await bench.runAlone("B", "a");
    await bench.reclaim("B", ["a"], { ...call, reason: "handed-back" });
    await bench.claim("C", 1);
    await bench.endLease("C");
    await bench.reclaim("C", ["a"], call);
    expect(await bench.runOf("a")).toMatchObject({ crashes: 1, state: "retry" });
    await bench.claim("D", 1);
    await bench.runAlone("D", "a");
    const { events } = await bench.runOf("a");
    const failed = [1, "failed", 1, "Error", "", ""] as const;
    const run = runText({ attempts: 1, crashes: 1, state: "retry", events: [...events, failed] });
    await bench.fail("D", "a", "retry", { run, ms: 0 });
    await bench.claim("D", 1);
    await bench.endLease("D");
    await bench.reclaim("D", ["a"], call);
    expect(await bench.runOf("a")).toMatchObject({ crashes: 1, state: "retry" });
  });

  test("a job that says how long it is kept when dead is kept so long", async () => {
    const bench = await setupLost({ options: { keepDeadMs: 2 * HOUR_MS } });
    await bench.runAlone("A", "a");
    await bench.reclaim("A", ["a"], { maxCrashes: 1 });
    const shard = await bench.shard();
    expect(shard.dead["a"]).toBeGreaterThan(shard.nowMs + 2 * HOUR_MS - 60_000);
  });

  test("a step whose cancel was asked for goes back: its workflow has to hear of it", async () => {
    const bench = await setupLost({ options: { run: "r", step: "a" } });
    await bench.cancel("a");
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([shard.pending, shard.cancels, shard.done]).toEqual([{ q: ["a"] }, [], {}]);
  });

  test("a job whose cancel was asked for is cancelled instead of run again", async () => {
    const bench = await setupLost(KEYED);
    await bench.cancel("a");
    await bench.await("a", "client");
    expect(await bench.reclaim("A", ["a"], { maxCrashes: 1 })).toEqual(TAKEN);
    expect(await bench.runOf("a")).toMatchObject({ crashes: 0, state: "cancelled", detail: null });
    const shard = await bench.shard();
    expect(Object.keys(shard.done)).toEqual(["a"]);
    expect([shard.cancels, shard.keys, shard.waits, shard.pending]).toEqual([[], {}, {}, {}]);
  });

  test("only what the worker holds is taken: not another's job, not one that ended, not one that is gone", async () => {
    const bench = await setupLost();
    await bench.put({ b: {}, c: {} });
    await bench.claim("B", 2);
    await bench.advance("B", { dropped: ["c"] });
    const reply = await bench.reclaimed("A", ["a", "a", "b", "c", "never"]);
    expect(reply).toEqual({ taken: ["a"], unknownQueues: [] });
    expect((await bench.shard()).active).toEqual({ b: "B" });
  });

  test("taken back twice, it stands in its queue once", async () => {
    const bench = await setupLost();
    await bench.reclaim("A", ["a"]);
    expect(await bench.reclaim("A", ["a"])).toEqual({ taken: 0, unknownQueues: [] });
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test("a paused queue gets its jobs back all the same", async () => {
    const bench = await setupLost();
    await bench.redis.hset(bench.keys.paused, "q", 1);
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
  });

  test("200 jobs at a time", async () => {
    const bench = setup();
    await bench.put(Object.fromEntries(Array.from({ length: 200 }, (_unused, i) => [`j${i}`, {}])));
    const ids = await bench.claim("A", 200);
    await bench.endLease("A");
    expect(await bench.reclaim("A", ids)).toEqual({ taken: 200, unknownQueues: [] });
    expect((await bench.shard()).pending["q"]).toHaveLength(200);
  });
});

describe("a queue that the call does not name", () => {
  test("is told, and its jobs stay until a call names it", async () => {
    const bench = setup();
    await bench.put({ a: {}, x: { queue: "x" } });
    await bench.register("A");
    const quotas = ["q", "x"].map((queue) => ({ queue, quota: 1 }));
    await bench.advance("A", { want: 2, quotas });
    await bench.endLease("A");
    expect(await bench.reclaim("A", ["a", "x"])).toEqual({ taken: 1, unknownQueues: ["x"] });
    expect((await bench.shard()).active).toEqual({ x: "A" });
    expect(await bench.reclaim("A", ["a", "x"], { queues: ["q", "x"] })).toEqual(TAKEN);
    expect((await bench.shard()).pending).toEqual({ q: ["a"], x: ["x"] });
  });

  test("does not matter to a job that ends here", async () => {
    const bench = await setupLost();
    await bench.runAlone("A", "a");
    expect(await bench.reclaim("A", ["a"], { queues: [], maxCrashes: 1 })).toEqual(TAKEN);
  });
});

describe("an id without a job to run", () => {
  test("of a deleted job goes with its tombstone", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.remove("a");
    await bench.claim("A", 1);
    await bench.endLease("A");
    expect(await bench.reclaim("A", ["a"], { queues: [] })).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([shard.jobs, shard.active, shard.pending]).toEqual([{}, {}, {}]);
  });

  test("of a cancelled job stays cancelled and has no place any more, so that a retry gives it one", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.cancel("a");
    await bench.claim("A", 1);
    await bench.endLease("A");
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
    expect(await bench.runOf("a")).toMatchObject({ crashes: 0, state: "cancelled", detail: null });
    await bench.retry("a");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test.each(["completed", "dead"] as const)("of a %s job is let go and not run again", async (state) => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    if (state === "dead") await bench.fail("A", "a", "dead", { run: runText({ state }) });
    else
      await bench.advance("A", {
        kept: [{ id: "a", run: runText({ state, detail: [1] }), keepMs: HOUR_MS }],
      });
    const before = await bench.shard();
    await bench.redis.hset(bench.keys.active, "a", "A"); // what no script does
    await bench.endLease("A");
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
    const { runs, pending, active } = await bench.shard();
    expect({ runs, pending, active }).toEqual({ runs: before.runs, pending: {}, active: {} });
  });

  test("of a record that cannot be read goes dead with its text, not away", async () => {
    const bench = await setupLost();
    await bench.redis.hset(bench.keys.jobs, "a", '{"not":"a record"}');
    expect(await bench.reclaim("A", ["a"])).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([Object.keys(shard.dead), shard.jobs["a"]]).toEqual([["a"], '{"not":"a record"}']);
    await bench.redis.hset(bench.keys.jobs, "a", '[1,"a:task","q","h1",0,{}]');
  });
});

describe.each(["garbage", "[7", "{}", '[0,0,"pending",{},[]]', ""])("a job whose run says %j", (text) => {
  test.each(["crashed", "handed-back"] as const)("goes dead when it is taken back (%s)", async (reason) => {
    const bench = await setupLost();
    await bench.put({ b: {} });
    await bench.redis.hset(bench.keys.runs, "a", text);
    expect(await bench.reclaim("A", ["a"], { reason })).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([Object.keys(shard.dead), shard.active]).toEqual([["a"], {}]);
    expect(await bench.runOf("a")).toMatchObject({ attempts: 0, crashes: 1, state: "dead" });
  });

  test("goes back with a new run when it is a step: its workflow has to hear of it", async () => {
    const bench = await setupLost({ options: { run: "r", step: "a" } });
    await bench.redis.hset(bench.keys.runs, "a", text);
    expect(await bench.reclaim("A", ["a"], { suspectWaitMs: 0 })).toEqual(TAKEN);
    expect(await bench.runOf("a")).toMatchObject({ attempts: 0, state: "retry" });
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["a"]);
  });

  test("can be ended by its worker and by people", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.redis.hset(bench.keys.runs, "a", text);
    expect(await bench.cancel("a")).toBe("CANCELLED");
    await bench.retry("a");
    await bench.claim("A", 1);
    await bench.redis.hset(bench.keys.runs, "a", text);
    expect(await bench.fail("A", "a", "dead", { run: runText({ state: "dead" }) })).toBe("dead");
    await bench.redis.hset(bench.keys.runs, "a", text);
    expect(await bench.remove("a")).toBe("REMOVED");
  });
});

describe("the worker", () => {
  test("whose lease was renewed meanwhile is ALIVE, and keeps its jobs", async () => {
    const bench = await setupLost();
    await bench.beat("A");
    const before = await bench.shard();
    expect(await bench.reclaim("A", ["a"])).toBe("ALIVE");
    expect(await bench.reclaim("A", [])).toBe("ALIVE");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("is condemned by the first call and forgotten by the one without ids", async () => {
    const bench = await setupLost();
    await bench.reclaim("A", ["a"]);
    expect((await bench.shard()).leases).toEqual({ A: 0 });
    await bench.reclaim("A", [], { queues: [] });
    const { leases, workers } = await bench.shard();
    expect([leases, workers]).toEqual([{}, {}]);
  });

  test("that hands jobs back keeps its lease, and no crash is written", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 2);
    await bench.fail("A", "b", "retry", { run: runText({ attempts: 1, state: "retry" }), ms: 0 });
    await bench.claim("A", 1);
    const before = await bench.shard();
    expect(await bench.reclaim("A", ["a"], { reason: "handed-back" })).toEqual(TAKEN);
    expect(await bench.reclaim("A", ["b"], { reason: "handed-back" })).toEqual(TAKEN);
    const shard = await bench.shard();
    expect([shard.runs, shard.leases, shard.workers]).toEqual([before.runs, before.leases, before.workers]);
    expect(shard.pending).toEqual({ q: ["b", "a"] });
  });

  test("that hands a suspect back lets it wait, and no crash is written", async () => {
    const bench = await setupLost();
    await bench.reclaim("A", ["a"], { maxCrashes: 2, suspectWaitMs: 0 });
    await bench.claim("B", 1);
    await bench.runAlone("B", "a");
    const before = await bench.runOf("a");
    expect(await bench.reclaim("B", ["a"], { reason: "handed-back", maxCrashes: 2 })).toEqual(TAKEN);
    expect(await bench.runOf("a")).toEqual(before);
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["a"]);
  });

  test("that hands a job back whose cancel was asked for sees it cancelled", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.cancel("a");
    await bench.reclaim("A", ["a"], { reason: "handed-back" });
    expect(await bench.runOf("a")).toMatchObject({ crashes: 0, state: "cancelled" });
  });

  test("that hands everything back is forgotten", async () => {
    const bench = setup();
    await bench.register("A");
    expect(await bench.reclaim("A", [], { reason: "handed-back" })).toEqual({ taken: 0, unknownQueues: [] });
    expect((await bench.shard()).leases).toEqual({});
    expect(await bench.advance("A")).toBe("LOST");
  });

  test("cannot hand back what another has taken over", async () => {
    const bench = await setupLost();
    await bench.reclaim("A", ["a"]);
    await bench.claim("B", 1);
    expect(await bench.reclaim("A", ["a"], { reason: "handed-back" })).toMatchObject({ taken: 0 });
    expect((await bench.shard()).active).toEqual({ a: "B" });
  });
});
