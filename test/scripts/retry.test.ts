import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const KEY = "a:task k";
const KEYED: NewJob = { key: KEY, keyTtlMs: HOUR_MS };

async function die(bench: ShardBench, id: string): Promise<void> {
  await bench.claim("A", 1);
  const run = runText({ attempts: 4, crashes: 2, state: "dead", events: [[1, "crashed", "A"]] });
  await bench.fail("A", id, "dead", { run });
  await bench.redis.del(bench.keys.queue("q").wake);
}

describe("retry", () => {
  test("that is sent again, with its name, acts once, whatever became of the job", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await die(bench, "a");
    expect(await bench.retry("a", "q", "dead", "call-1")).toBe("RETRIED");
    expect(await bench.retry("a", "q", "dead", "call-1")).toBe("RETRIED");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
    await bench.claim("A", 1);
    const { events } = await bench.runOf("a");
    await bench.fail("A", "a", "dead", {
      run: runText({ state: "dead", events: [...events, [2, "crashed", "A"]] }),
    });
    expect(await bench.retry("a", "q", "dead", "call-1")).toBe("RETRIED");
    expect((await bench.shard()).pending).toEqual({});
    expect(await bench.retry("a", "q", "dead", "call-2")).toBe("RETRIED");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test("that cannot put the job into its list changes nothing", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await die(bench, "a");
    const { pending } = bench.keys.queue("q");
    await bench.redis.set(pending, "not a list");
    const { nowMs: _then, ...before } = await bench.shard();
    await expect(bench.retry("a")).rejects.toThrow(/WRONGTYPE/);
    expect(await bench.shard()).toMatchObject(before);
    await bench.redis.del(pending);
    expect(await bench.retry("a")).toBe("RETRIED");
  });

  test("of a dead job starts its counts again, keeps its history and puts it at the end of its queue", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await die(bench, "a");
    await bench.put({ b: {} });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.retry("a")).toBe("RETRIED");
    const run = await bench.runOf("a");
    expect(run).toMatchObject({ attempts: 0, crashes: 0, state: "pending", detail: null });
    expect(run.events.map((event) => event[1])).toEqual(["crashed", "retried"]);
    const shard = await bench.shard();
    expect([shard.pending, shard.dead, shard.wake]).toEqual([{ q: ["b", "a"] }, {}, { q: ["1"] }]);
  });

  test("of a cancelled job that stands in its list brings it back to life at its place", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.cancel("a");
    expect(await bench.retry("a")).toBe("RETRIED");
    const shard = await bench.shard();
    expect([shard.pending, shard.done]).toEqual([{ q: ["a", "b"] }, {}]);
    await bench.claim("A", 2);
    await bench.advance("A", { dropped: ["a", "b"] });
  });

  test("of a job cancelled twice gives it one place", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    for (let i = 0; i < 3; i++) {
      await bench.cancel("a");
      await bench.retry("a");
    }
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
    expect((await bench.runOf("a")).events).toHaveLength(6);
  });

  test("of a job that was cancelled while scheduled pushes it", async () => {
    const bench = setup();
    await bench.put({ a: { due: `+${HOUR_MS}` } });
    await bench.cancel("a");
    expect(await bench.retry("a")).toBe("RETRIED");
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test("of a scheduled job runs it now; of one that waits for its retry too, with its counts", async () => {
    const bench = setup();
    await bench.put({ a: {}, s: { due: `+${HOUR_MS}` } });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "retry", { run: runText({ attempts: 2, crashes: 1, state: "retry" }) });
    expect([await bench.retry("s"), await bench.retry("a")]).toEqual(["RETRIED", "RETRIED"]);
    const shard = await bench.shard();
    expect([shard.pending, shard.due]).toEqual([{ q: ["s", "a"] }, {}]);
    expect(await bench.runOf("a")).toMatchObject({ attempts: 2, crashes: 1, state: "pending" });
  });

  test("means nothing for a pending, active or completed job", async () => {
    const bench = setup();
    await bench.put({ c: {}, a: {}, p: {} });
    await bench.claim("A", 2);
    const run = runText({ attempts: 1, state: "completed", detail: "done" });
    await bench.advance("A", { kept: [{ id: "c", run, keepMs: HOUR_MS }] });
    const before = await bench.shard();
    const replies = [await bench.retry("p"), await bench.retry("a"), await bench.retry("c")];
    expect(replies).toEqual([{ state: "pending" }, { state: "active" }, { state: "completed" }]);
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("of a job whose retry fell due and was moved into the list is too late", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "retry", { run: runText({ attempts: 1, state: "retry" }), ms: 0 });
    await bench.advance("A");
    expect(await bench.retry("a")).toEqual({ state: "pending" });
  });

  test("of a job that has left the state that is meant changes nothing, and says where it is", async () => {
    const bench = setup();
    await bench.put({ a: {}, s: { due: `+${HOUR_MS}` } });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "retry", { run: runText({ attempts: 1, state: "retry" }) });
    const before = await bench.shard();
    expect(await bench.retry("a", "q", "scheduled")).toEqual({ moved: "retry" });
    expect(await bench.retry("s", "q", "retry")).toEqual({ moved: "scheduled" });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
    expect([await bench.retry("a", "q", "retry"), await bench.retry("s", "q", "scheduled")]).toEqual([
      "RETRIED",
      "RETRIED",
    ]);
    expect(await bench.retry("a", "q", "retry")).toEqual({ moved: "pending" });
  });

  test("of a job that is not there, or deleted but still in its list, finds nothing", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.remove("a");
    expect([await bench.retry("a"), await bench.retry("never")]).toEqual(["NOTFOUND", "NOTFOUND"]);
  });
});

describe("the key of a retried job", () => {
  test("is its own again: an enqueue of that key gives the job that runs", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await die(bench, "a");
    expect((await bench.shard()).keys).toEqual({});
    await bench.retry("a");
    expect((await bench.put({ b: KEYED })).known.map((known) => known.existing)).toEqual(["a"]);
  });

  test("stays with the job that has it by now, and the retry says which", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await die(bench, "a");
    await bench.put({ b: KEYED });
    const before = await bench.shard();
    expect(await bench.retry("a")).toEqual({ keyOwner: "b" });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("was held through its death", async () => {
    const bench = setup();
    await bench.put({ a: { ...KEYED, options: { hold: 1 } } });
    await die(bench, "a");
    expect(await bench.retry("a")).toBe("RETRIED");
    expect((await bench.shard()).keys).toEqual({ [KEY]: "a" });
  });

  test("is not taken again after its end", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await die(bench, "a");
    await bench.redis.zadd(bench.keys.keysExpiry, "XX", 1, KEY);
    expect(await bench.retry("a")).toBe("RETRIED");
    expect((await bench.shard()).keys).toEqual({});
  });

  test("that another job had until its end does not stand in the way", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await die(bench, "a");
    await bench.put({ b: { ...KEYED, keyTtlMs: 0 } });
    expect(await bench.retry("a")).toBe("RETRIED");
    expect((await bench.put({ c: KEYED })).known).toEqual([]);
  });
});
