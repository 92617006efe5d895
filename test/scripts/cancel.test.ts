import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob } from "./shard-bench.js";

const setup = useShards();

const KEYED: NewJob = { key: "a:task k", keyTtlMs: HOUR_MS };

describe("cancel", () => {
  test("of a pending job leaves its id in the list as a hole, frees its key and tells those who wait", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.put({ b: {} });
    await bench.await("a", "client");
    expect(await bench.cancel("a")).toBe("CANCELLED");
    const shard = await bench.shard();
    expect(shard.pending).toEqual({ q: ["a", "b"] });
    expect(shard.done["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect([shard.keys, shard.waits]).toEqual([{}, {}]);
    const run = await bench.runOf("a");
    expect(run).toMatchObject({ state: "cancelled", detail: 1, events: [[expect.any(Number), "cancelled"]] });
  });

  test.each<[string, NewJob]>([
    ["scheduled", { ...KEYED, due: `+${HOUR_MS}` }],
    ["overdue but not moved yet", { ...KEYED, due: "1" }],
  ])("of a job that is %s leaves nothing behind in the due set", async (_name, job) => {
    const bench = setup();
    await bench.put({ a: job });
    expect(await bench.cancel("a")).toBe("CANCELLED");
    const shard = await bench.shard();
    expect([shard.due, shard.pending, shard.keys]).toEqual([{}, {}, {}]);
    expect(await bench.runOf("a")).toMatchObject({ state: "cancelled", detail: null });
  });

  test("of a job that waits for its retry keeps its history", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    const failed = [1, "failed", 1, "Error", "boom", ""] as const;
    await bench.fail("A", "a", "retry", {
      run: runText({ attempts: 1, crashes: 1, state: "retry", events: [failed] }),
    });
    expect(await bench.cancel("a")).toBe("CANCELLED");
    const run = await bench.runOf("a");
    expect(run).toMatchObject({ attempts: 1, crashes: 1, state: "cancelled" });
    expect(run.events.map((event) => event[1])).toEqual(["failed", "cancelled"]);
  });

  test("of an active job only asks its worker", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.claim("A", 1);
    expect([await bench.cancel("a"), await bench.cancel("a")]).toEqual(["REQUESTED", "REQUESTED"]);
    const shard = await bench.shard();
    expect([shard.cancels, shard.active, shard.keys, shard.done]).toEqual([
      ["a"],
      { a: "A" },
      { "a:task k": "a" },
      {},
    ]);
  });

  test("of a job that has ended says how", async () => {
    const bench = setup();
    await bench.put({ c: {}, d: {}, x: {} });
    await bench.claim("A", 2);
    const run = runText({ attempts: 1, state: "completed", detail: { list: [], map: {} } });
    await bench.advance("A", { kept: [{ id: "c", run, keepMs: HOUR_MS }] });
    await bench.fail("A", "d", "dead");
    await bench.cancel("x");
    const replies = [await bench.cancel("c"), await bench.cancel("d"), await bench.cancel("x")];
    expect(replies).toEqual([{ final: "completed" }, { final: "dead" }, { final: "cancelled" }]);
    expect((await bench.shard()).runs["c"]).toBe(run);
  });

  test("of a job that is not there, or deleted but still in its list, finds nothing", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.remove("a");
    expect([await bench.cancel("a"), await bench.cancel("never")]).toEqual(["NOTFOUND", "NOTFOUND"]);
  });

  test("of a job that has left the state that is meant changes nothing, and says where it is", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.claim("A", 1);
    await bench.put({ p: {} });
    const before = await bench.shard();
    expect(await bench.cancel("a", HOUR_MS, "q", "pending")).toEqual({ moved: "active" });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
    expect(await bench.cancel("a", HOUR_MS, "q", "active")).toBe("REQUESTED");
    expect(await bench.cancel("p", HOUR_MS, "q", "pending")).toBe("CANCELLED");
    expect(await bench.cancel("p", HOUR_MS, "q", "pending")).toEqual({ moved: "cancelled" });
  });

  test("that keeps nothing leaves a tombstone in a pending list, and nothing elsewhere", async () => {
    const bench = setup();
    await bench.put({ a: KEYED, b: { due: "+5000" } });
    expect([await bench.cancel("a", 0), await bench.cancel("b", 0)]).toEqual(["CANCELLED", "CANCELLED"]);
    const shard = await bench.shard();
    expect([shard.jobs, shard.runs, shard.done, shard.keys]).toEqual([{ a: "[0]" }, {}, {}, {}]);
    await bench.claim("A", 1);
    await bench.discard("A", ["a"]);
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("leaves a held key with its job, and another job's key alone", async () => {
    const bench = setup();
    await bench.put({ h: { ...KEYED, options: { hold: 1 } }, old: { key: "a:task o", keyTtlMs: 0 } });
    await bench.put({ young: { key: "a:task o", keyTtlMs: HOUR_MS } });
    await bench.cancel("h");
    await bench.cancel("old");
    expect((await bench.shard()).keys).toEqual({ "a:task k": "h", "a:task o": "young" });
  });
});
