// Handlers that wait for events: what is stored when they begin to, when an event comes, and when their time is over.
import { describe, expect, test } from "vitest";
import { parseWaits } from "../../runtime/protocol/index.js";
import { HOUR_MS, runText, type ShardBench, useShards } from "./shard-bench.js";
import { emit, listenTo } from "./wait-moves.js";

const setup = useShards();

async function setupActive(...more: readonly string[]): Promise<ShardBench> {
  const bench = setup();
  for (const id of ["a", ...more]) await bench.put({ [id]: {} });
  await bench.claim("A", 1 + more.length);
  await bench.redis.del(bench.keys.queue("q").wake);
  return bench;
}

/** The attempt of a job that waits has ended. */
async function rest(bench: ShardBench, id = "a", wait = "w"): Promise<string> {
  const run = runText({ state: "pending", events: [[1, "waited", 2]] });
  return await bench.fail("A", id, "retry", { run, ms: HOUR_MS, wait });
}

async function dueIn(bench: ShardBench, id = "a"): Promise<number> {
  const { due, nowMs } = await bench.shard();
  return (due["q"]?.[id] ?? Number.NaN) - nowMs;
}

describe("a job that begins to listen", () => {
  test("is found by the value, until its time is over, which the first call says", async () => {
    const bench = await setupActive();
    const first = await listenTo(bench, "A", "a");
    const { notes, listeners, listenersExpiry, nowMs } = await bench.shard();
    if (typeof first === "string" || !("until" in first)) throw new Error("expected it to listen");
    expect(first.until).toBeGreaterThan(nowMs + HOUR_MS - 60_000);
    expect(listeners).toEqual(['e ["id"]\n1\nq a %22w%22']);
    expect(Object.values(listenersExpiry)).toEqual([first.until]);
    expect(notes).toEqual({ "a waits": `\n%22w%22 ${first.until} e ["id"]\t1\t` });
    expect(await listenTo(bench, "A", "a", { value: 2, timeoutMs: 1 })).toEqual(first);
    expect((await bench.shard()).listeners).toEqual(listeners);
  });

  test("by names and values of all kinds, which can be read again", async () => {
    const bench = await setupActive();
    const names = ["w", "two words", '"%20\n', "ärger \ud800", "w2"];
    for (const [i, name] of names.entries()) await listenTo(bench, "A", "a", { name, value: `\t${i}\n x` });
    const text = (await bench.shard()).notes["a waits"];
    expect(parseWaits(text).listening.map(({ name }) => name)).toEqual(names);
    expect(parseWaits(text).listening[0]).toMatchObject({ event: "e", fields: ["id"] });
    for (const [i, name] of names.entries()) {
      expect((await emit(bench, `e${i}`, { value: `\t${i}\n x` })).jobs).toEqual(["a"]);
      const heard = { event: { id: `\t${i}\n x` }, bytes: expect.any(Number) };
      expect(await listenTo(bench, "A", "a", { name })).toEqual(heard);
    }
  });

  test.each([
    ["GONE", "B"],
    ["LOST", "nobody"],
  ])("of another worker does not: %s", async (reply, worker) => {
    const bench = await setupActive();
    await bench.register("B");
    expect(await listenTo(bench, worker, "a")).toBe(reply);
    expect((await bench.shard()).listeners).toEqual([]);
  });
});

describe("an event", () => {
  test("becomes a step of the job, and is heard once", async () => {
    const bench = await setupActive();
    await bench.saveStep("A", "a", "before", 1);
    await listenTo(bench, "A", "a");
    expect(await emit(bench, "one")).toEqual({ runs: [], jobs: ["a"], last: undefined, missingQueues: [] });
    expect((await emit(bench, "one")).jobs).toEqual([]);
    expect((await emit(bench, "two")).jobs).toEqual([]);
    const { notes, listeners, listenersExpiry, wake } = await bench.shard();
    expect(notes["a"]).toBe('["before",1]\n["w",{"id":1}]');
    expect(parseWaits(notes["a waits"])).toEqual({ listening: [], heard: [{ name: "w", event: "e" }] });
    expect([listeners, listenersExpiry, wake]).toEqual([[], {}, {}]);
    expect(await listenTo(bench, "A", "a")).toEqual({ event: { id: 1 }, bytes: 15 });
  });

  test("is heard by all that listen when it comes, and not by a wait that begins later", async () => {
    const bench = await setupActive("b");
    await listenTo(bench, "A", "a", { name: "one" });
    await listenTo(bench, "A", "a", { name: "two" });
    await listenTo(bench, "A", "b");
    expect((await emit(bench, "event")).jobs).toEqual(["a", "a", "b"]);
    await listenTo(bench, "A", "a", { name: "later" });
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect((await bench.shard()).listeners).toHaveLength(1);
    expect((await emit(bench, "another")).jobs).toEqual(["a"]);
  });

  test("of another value or type is none of its", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    for (const value of ["1", 2, true, "", 11])
      expect((await emit(bench, "event", { value })).jobs).toEqual([]);
  });

  test("makes a job that rests due at once, and wakes its queue", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    expect(await rest(bench)).toBe("retry");
    expect(await dueIn(bench)).toBeGreaterThan(HOUR_MS - 60_000);
    await bench.redis.del(bench.keys.queue("q").wake);
    await emit(bench, "event");
    expect(await dueIn(bench)).toBeLessThanOrEqual(0);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    expect(await bench.claim("B", 1)).toEqual(["a"]);
  });

  test("leaves one that sleeps, or waits for its retry, where it is", async () => {
    const bench = await setupActive("b");
    for (const id of ["a", "b"]) await listenTo(bench, "A", id);
    const run = runText({ state: "pending", events: [[1, "slept", 2]] });
    await bench.fail("A", "a", "retry", { run });
    await bench.fail("A", "b", "retry");
    expect((await emit(bench, "event")).jobs).toEqual(["a", "b"]);
    for (const id of ["a", "b"]) expect(await dueIn(bench, id)).toBeGreaterThan(HOUR_MS - 60_000);
  });

  test("that comes before the job rests lets it go on at once", async () => {
    const bench = await setupActive("b");
    for (const id of ["a", "b"]) await listenTo(bench, "A", id);
    await listenTo(bench, "A", "b", { name: "other", value: 2 });
    await emit(bench, "event");
    await rest(bench);
    expect(await dueIn(bench)).toBeLessThanOrEqual(0);
    // What else it has heard is not what it rests for.
    await rest(bench, "b", "other");
    expect(await dueIn(bench, "b")).toBeGreaterThan(HOUR_MS - 60_000);
  });

  test("names the queue that a producer does not know", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    expect(await emit(bench, "event", { queues: [] })).toMatchObject({ jobs: [], missingQueues: ["q"] });
    expect((await emit(bench, "event")).jobs).toEqual(["a"]);
  });

  test("that comes when the time is over is not heard", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a", { timeoutMs: 0 });
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect((await bench.shard()).listeners).toEqual([]);
    expect(await listenTo(bench, "A", "a")).toMatchObject({ event: undefined });
    // What is over stays over.
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect(await listenTo(bench, "A", "a")).toMatchObject({ event: undefined });
    expect((await bench.shard()).notes).toEqual({ a: '["w"]' });
  });
});

describe("what a job listens to", () => {
  test("speaks to nobody when it has completed, and goes with the next event or its time", async () => {
    const bench = await setupActive("b");
    await listenTo(bench, "A", "a");
    await listenTo(bench, "A", "b", { value: 2, timeoutMs: 0 });
    await bench.advance("A", { dropped: ["a", "b"] });
    expect((await bench.shard()).notes).toEqual({});
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect((await bench.shard()).listeners).toHaveLength(1);
    expect(await bench.sweep()).toMatchObject({ listeners: 1 });
    expect(await bench.redis.exists(bench.keys.listeners, bench.keys.listenersExpiry)).toBe(0);
  });

  test("is not that of a later job of the same id, which waits for something else", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    await rest(bench);
    expect(await bench.remove("a")).toBe("REMOVED");
    await bench.put({ a: { ownId: true } });
    await bench.claim("A", 1);
    await listenTo(bench, "A", "a", { value: 2 });
    expect((await emit(bench, "event", { value: 1 })).jobs).toEqual([]);
    expect((await emit(bench, "event", { value: 2 })).jobs).toEqual(["a"]);
  });

  test("is kept with a cancelled job, so that a retry goes on with what it heard meanwhile", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    await rest(bench);
    expect(await bench.cancel("a")).toBe("CANCELLED");
    expect((await emit(bench, "event")).jobs).toEqual(["a"]);
    expect((await bench.shard()).pending).toEqual({});
    expect(await bench.retry("a")).toBe("RETRIED");
    await bench.claim("A", 1);
    expect(await listenTo(bench, "A", "a")).toMatchObject({ event: { id: 1 } });
  });

  test("goes with a cancelled job of which nothing is kept", async () => {
    const bench = await setupActive();
    await listenTo(bench, "A", "a");
    await rest(bench);
    await bench.cancel("a", 0);
    expect((await bench.shard()).notes).toEqual({});
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect(await bench.redis.exists(bench.keys.listeners, bench.keys.listenersExpiry)).toBe(0);
  });
});
