// The branches of dedupe keys that random histories do not reach; dedupe-histories.test.ts has the rest.
import { describe, expect, test } from "vitest";
import type { JobDedupeMode } from "../../runtime/definition/index.js";
import { parseRecord } from "../../runtime/protocol/index.js";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";
import { timePasses } from "./shard-time.js";

const setup = useShards();

const KEY = "!a:task@q user-1";
const of = (mode: JobDedupeMode, more: NewJob = {}, keepCancelledMs = HOUR_MS): NewJob => ({
  key: KEY,
  keyTtlMs: HOUR_MS,
  dedupe: { mode, keepCancelledMs },
  ...more,
});

/** A job that has failed once and waits for its retry. */
async function retrying(bench: ShardBench, id: string, job: NewJob): Promise<void> {
  await bench.put({ [id]: job });
  await bench.claim("A", 1);
  const events = [[1, "failed", 1, "E", "m", "s"]] as const;
  await bench.fail("A", id, "retry", { run: runText({ attempts: 1, state: "retry", events }) });
}

const answers = (reply: Awaited<ReturnType<ShardBench["put"]>>): unknown[] =>
  reply.known.map(({ item, existing, replaced }) => [item.id, existing, replaced]);

describe("a dedupe key", () => {
  test("is free when the id of its job is another job's by now", async () => {
    const bench = setup();
    await bench.put({ own: of("unfinished", { ownId: true }) });
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
    await bench.put({ own: { ownId: true, payload: { other: true } } });
    expect((await bench.put({ b: of("unfinished") })).known).toEqual([]);
    expect((await bench.shard()).keys).toEqual({ [KEY]: "b" });
  });

  test("does not make a known id another job", async () => {
    const bench = setup();
    await bench.put({ own: of("replace", { ownId: true, payload: { n: 1 } }) });
    const reply = await bench.put({ own: of("replace", { ownId: true, payload: { n: 2 } }) });
    expect(answers(reply)).toEqual([["own", undefined, false]]);
    expect((await bench.shard()).jobs["own"]).toContain('{"n":1}');
  });

  test("is given back under the id of the enqueue that made it, whose payload has been replaced since", async () => {
    const bench = setup();
    const own = (n: number, key = KEY): NewJob => of("replace", { key, ownId: true, payload: { n } });
    await bench.put({ own: own(1) });
    await bench.put({ b: of("replace", { payload: { n: 2 } }) });
    expect(answers(await bench.put({ own: own(1) }))).toEqual([["own", "own", false]]);
    expect((await bench.shard()).jobs["own"]).toContain('{"n":2}');
    // Another key is another job.
    expect(answers(await bench.put({ own: own(1, `${KEY} 2`) }))).toEqual([["own", undefined, false]]);
  });

  test("may have a key that looks like an option", async () => {
    const bench = setup();
    const key = `!a:task@q ","dedupe":"replace"}`;
    await bench.put({ a: of("replace", { key, payload: { n: 1 } }) });
    expect(answers(await bench.put({ b: of("replace", { key, payload: { n: 2 } }) }))).toEqual([
      ["b", "a", true],
    ]);
    const record = parseRecord((await bench.shard()).jobs["a"]!)!;
    expect(record).toMatchObject({ options: { key, dedupe: "replace", replaced: 1 }, payload: { n: 2 } });
  });

  test("gives back a job although the queue is full, and refuses a new one that takes the place of an older", async () => {
    const bench = setup();
    await bench.put({ waits: of("waiting") });
    expect(answers(await bench.put({ b: of("waiting", { maxPending: 1 }) }))).toEqual([
      ["b", "waits", false],
    ]);
    const other = setup();
    await retrying(other, "old", of("replace"));
    await other.put({ full: {} });
    const reply = await other.put({ b: of("replace", { maxPending: 1 }) });
    expect(reply.refused.map(({ id }) => id)).toEqual(["b"]);
    expect(Object.keys((await other.shard()).due["q"]!)).toEqual(["old"]);
  });

  test("wakes workers for a job that no longer waits for its time", async () => {
    const bench = setup();
    await bench.put({ a: of("replace", { due: `+${HOUR_MS}` }) });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(answers(await bench.put({ b: of("replace") }))).toEqual([["b", "a", true]]);
    const shard = await bench.shard();
    expect([shard.pending, shard.due, shard.wake]).toEqual([{ q: ["a"] }, {}, { q: ["1"] }]);
  });
});

describe("the job that a newer one takes the place of", () => {
  test("is cancelled with all that is due to it: its waiters are told, its slot is free", async () => {
    const bench = setup();
    const limit = { group: { name: "a:task k", limit: 1 } };
    const key = `${KEY}\na:task k`;
    await retrying(bench, "old", of("replace", { ...limit, key }));
    expect(await bench.await("old", "client")).toBe("WAITING");
    expect((await bench.put({ b: of("replace", { ...limit, key }) })).known).toEqual([]);
    const shard = await bench.shard();
    expect(JSON.parse(shard.runs["old"]!)).toMatchObject([1, 0, "cancelled", null, [{}, [{}, "cancelled"]]]);
    expect([shard.pending, shard.due, shard.waits]).toEqual([{ q: ["b"] }, {}, {}]);
    expect(Object.keys(shard.limited)).toEqual(["b"]);
  });

  test("is gone where dead jobs are not kept", async () => {
    const bench = setup();
    await retrying(bench, "old", of("debounce"));
    await bench.put({ b: of("debounce", { due: "+1000" }, 0) });
    expect(Object.keys((await bench.shard()).jobs)).toEqual(["b"]);
  });

  test("cannot be retried by a person while the newer one has not ended", async () => {
    const bench = setup();
    await retrying(bench, "old", of("replace"));
    await bench.put({ b: of("replace") });
    expect(await bench.retry("old")).toEqual({ keyOwner: "b" });
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
    expect(await bench.retry("old")).toBe("RETRIED");
    expect((await bench.shard()).keys).toEqual({ [KEY]: "old" });
  });

  test("keeps its retry where a newer one does not win", async () => {
    const bench = setup();
    await bench.put({ a: of("waiting") });
    await bench.claim("A", 1);
    await bench.put({ b: of("waiting") });
    expect(await bench.fail("A", "a", "retry", { run: runText({ attempts: 1, state: "retry" }) })).toBe(
      "retry",
    );
  });
});

describe("beside a rate of its task", () => {
  const group = { name: "a:task k", rate: { limit: 1, perMs: HOUR_MS } };
  const rated = (mode: JobDedupeMode, more: NewJob = {}): NewJob => of(mode, { group, ...more });
  const start = async (bench: ShardBench, dropped: readonly string[] = []): Promise<readonly string[]> => {
    await bench.register("A");
    const reply = await bench.advance("A", { want: 10, dropped });
    if (reply === "LOST") throw new Error("expected a lease");
    return reply.ids;
  };

  test("a job at the gate is replaced in its place, and starts once, in its time", async () => {
    const bench = setup();
    await bench.put({ first: { group } });
    expect(await start(bench)).toEqual(["first"]);
    await bench.put({ a: rated("replace", { payload: { n: 1 } }), next: { group } });
    const reply = await bench.put({ b: rated("replace", { payload: { n: 2 } }) });
    expect(answers(reply)).toEqual([["b", "a", true]]);
    expect(await start(bench, ["first"])).toEqual([]);
    await timePasses(bench, HOUR_MS);
    expect(await start(bench)).toEqual(["a"]);
    expect((await bench.shard()).jobs["a"]).toContain('{"n":2}');
    expect(await start(bench, ["a"])).toEqual([]);
    await timePasses(bench, HOUR_MS);
    expect(await start(bench)).toEqual(["next"]);
  });

  test("one that is replaced to run at once comes to the gate, and takes no start before its time", async () => {
    const bench = setup();
    await bench.put({ first: { group }, a: rated("replace", { due: `+${HOUR_MS}` }) });
    expect(answers(await bench.put({ b: rated("replace") }))).toEqual([["b", "a", true]]);
    expect((await bench.shard()).due).toEqual({});
    expect(await start(bench)).toEqual(["first"]);
    await timePasses(bench, HOUR_MS);
    expect(await start(bench, ["first"])).toEqual(["a"]);
  });

  test("a debounced job counts as a start when it starts, however often it was put off", async () => {
    const bench = setup();
    const due = `+${HOUR_MS / 4}`;
    await bench.put({ a: rated("debounce", { due }) });
    expect(
      answers(await bench.put({ b: rated("debounce", { due }), c: rated("debounce", { due }) })),
    ).toEqual([
      ["b", "a", true],
      ["c", "a", true],
    ]);
    await bench.redis.zadd(bench.keys.queue("q").due, 1, "a");
    expect(await start(bench)).toEqual(["a"]);
    await bench.put({ d: { group } });
    expect(await start(bench, ["a"])).toEqual([]);
    await timePasses(bench, HOUR_MS);
    expect(await start(bench)).toEqual(["d"]);
  });
});

test("the sweep keeps the key of a job that has not ended, asks again later, and forgets the others", async () => {
  const bench = setup();
  await bench.put({ a: of("unfinished"), b: of("unfinished", { key: "!a:task other" }) });
  await bench.cancel("b");
  for (const key of [KEY, "!a:task other"]) await bench.redis.zadd(bench.keys.keysExpiry, 1, key);
  expect(await bench.sweep()).toMatchObject({ keys: 1 });
  const { keys, keysExpiry, nowMs } = await bench.shard();
  expect(keys).toEqual({ [KEY]: "a" });
  expect(keysExpiry[KEY]).toBeGreaterThan(nowMs + HOUR_MS - 60_000);
});
