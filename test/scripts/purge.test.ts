import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";
import { emit, listenTo } from "./wait-moves.js";

const setup = useShards();

const KEYED: NewJob = { key: "a:task k", keyTtlMs: HOUR_MS };
const STEP: NewJob = { options: { run: "r" } };
const limited = (key: string, more: NewJob = {}): NewJob => ({
  group: { name: `a:task ${key}`, limit: 1 },
  ...more,
});
const many = (n: number, jobOf: (i: number) => NewJob): Record<string, NewJob> =>
  Object.fromEntries(Array.from({ length: n }, (_unused, i) => [`j${i}`, jobOf(i)]));

/** What is left of jobs, but for the last number that the gate has given. */
async function left(bench: ShardBench) {
  const {
    jobs,
    runs,
    keys,
    waits,
    notes,
    limited: entries,
    waiting,
    pending,
    due,
    done,
    dead,
  } = await bench.shard();
  return { jobs, runs, keys, waits, notes, entries, waiting, pending, due, done, dead };
}
const NOTHING = {
  jobs: {},
  runs: {},
  keys: {},
  waits: {},
  notes: {},
  entries: {},
  waiting: [],
  pending: {},
  due: {},
  done: {},
  dead: {},
};

describe("a pending list", () => {
  test("is emptied of jobs with all that is known about them", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.put({
      b: {},
      c: { ...KEYED, key: "a:task held", options: { hold: 1 } },
      d: limited("l"),
    });
    await bench.claim("A", 1);
    await bench.saveStep("A", "a");
    await bench.note("A", { a: 7 });
    await bench.log("A", { a: ["line"] });
    await bench.fail("A", "a", "retry", { ms: 0 });
    await bench.advance("A");
    await bench.await("b", "client");
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 4, removed: 4, steps: 0 });
    expect(await left(bench)).toEqual(NOTHING);
    expect((await bench.shard()).groups).toEqual({ "#": "1", "a:task": "1" });
    expect((await bench.put({ a: { ...KEYED, ownId: true } })).known).toEqual([]);
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 1, removed: 1 });
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 0, removed: 0 });
  });

  test("is emptied of the holes of deleted and cancelled jobs, which can come back", async () => {
    const bench = setup();
    await bench.put({ deleted: {}, cancelled: {}, limited: limited("k"), waits: limited("k") });
    await bench.remove("deleted");
    await bench.cancel("cancelled");
    await bench.cancel("limited");
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 3, removed: 0 });
    const shard = await bench.shard();
    expect([Object.keys(shard.jobs), shard.pending]).toEqual([["cancelled", "limited", "waits"], {}]);
    expect(await bench.retry("cancelled")).toBe("RETRIED");
    expect(await bench.claim("A", 2)).toEqual(["cancelled", "waits"]);
  });

  test("keeps jobs of other tasks, and steps of workflow runs, in their order behind the others", async () => {
    const bench = setup();
    await bench.put(many(120, (i) => (i % 3 === 0 ? STEP : i % 3 === 1 ? { task: "b:task" } : {})));
    const stays = Object.keys(many(120, () => ({}))).filter((_id, i) => i % 3 !== 2);
    const of = { task: "a:task", most: 60 };
    expect(await bench.purge("pending", "pending", of)).toMatchObject({ looked: 60, removed: 20, steps: 20 });
    expect(await bench.purge("pending", "pending", of)).toMatchObject({ looked: 60, removed: 20, steps: 20 });
    expect((await bench.shard()).pending).toEqual({ q: stays });
    expect(await bench.claim("A", 80)).toEqual(stays);
  });

  test("gives slots back: whoever waits for one in another queue comes next, of this one after a hint", async () => {
    const bench = setup();
    await bench.put({
      a: limited("k"),
      b: limited("l"),
      c: limited("k", { queue: "other" }),
      d: limited("l"),
    });
    await bench.redis.del(bench.keys.queue("q").wake);
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 2, removed: 2 });
    expect((await bench.shard()).wake).toMatchObject({ q: ["1"] });
    expect(await bench.claim("A", 1)).toEqual(["d"]);
    const quotas = [{ queue: "other", quota: 1 }];
    expect(await bench.advance("A", { want: 1, quotas })).toMatchObject({ ids: ["c"] });
  });

  test("gives places of starts back", async () => {
    const bench = setup();
    const group = { name: "a:task k", rate: { limit: 2, perMs: HOUR_MS } };
    const turns = { name: "b:task q k", turns: true } as const;
    await bench.put({ a: { group }, b: { group }, c: { group: turns, task: "b:task" } });
    expect(await bench.purge("pending", "pending")).toMatchObject({ removed: 3 });
    await bench.put({ d: { group }, e: { group }, f: { group: turns, task: "b:task" } });
    expect(await bench.claim("A", 3)).toEqual(["d", "e", "f"]);
  });

  test("takes fewer ids a call where records are large or groups are many", async () => {
    const bench = setup();
    await bench.put(many(100, (i) => (i < 60 ? { payload: "x".repeat(40_000) } : limited(String(i)))));
    expect(await bench.purge("pending", "pending")).toMatchObject({ looked: 50, removed: 50 });
    expect(await bench.purge("pending", "pending", { most: 200 })).toMatchObject({ looked: 50, removed: 50 });
  });

  test("does not touch what a worker holds", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.put({ b: {} });
    await bench.claim("A", 1);
    expect(await bench.purge("pending", "pending")).toMatchObject({ removed: 1 });
    expect(await bench.shard()).toMatchObject({ active: { a: "A" }, keys: { "a:task k": "a" } });
    await bench.advance("A", { dropped: ["a"] });
  });
});

describe("at the gate", () => {
  test("jobs of the queue go, page by page; others stay and come in", async () => {
    const bench = setup();
    await bench.put(many(130, (i) => limited("k", i % 13 === 5 ? { queue: "other" } : i === 7 ? STEP : {})));
    let from = "";
    const sums = { looked: 0, removed: 0, steps: 0 };
    for (let page = 0; page < 4; page += 1) {
      const purged = await bench.purge("waiting", "pending", { from, most: 60 });
      for (const field of ["looked", "removed", "steps"] as const) sums[field] += purged[field];
      ({ from } = purged);
    }
    expect(sums).toEqual({ looked: 129, removed: 118, steps: 1 });
    expect(await bench.claim("A", 1)).toEqual(["j0"]);
    const both = [
      { queue: "q", quota: 1 },
      { queue: "other", quota: 1 },
    ];
    expect(await bench.advance("A", { want: 2, dropped: ["j0"], quotas: both })).toMatchObject({
      ids: ["j5"],
    });
    expect(await bench.advance("A", { want: 2, dropped: ["j5"], quotas: both })).toMatchObject({
      ids: ["j7"],
    });
  });

  test("jobs of a paused task go that its pause has put aside", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: limited("k"), c: { task: "b:task" } });
    await bench.pause();
    expect(await bench.claim("A", 1)).toEqual(["c"]);
    expect(await bench.purge("waiting", "pending", { task: "b:task" })).toMatchObject({
      looked: 2,
      removed: 0,
    });
    expect(await bench.purge("waiting", "pending", { task: "a:task" })).toMatchObject({
      looked: 2,
      removed: 2,
    });
    await bench.resume();
    await bench.advance("A", { want: 1, dropped: ["c"] });
    expect((await bench.shard()).jobs).toEqual({});
  });
});

describe("a sorted set", () => {
  test("of jobs that rest until an event comes loses what they wait for: nobody hears of it", async () => {
    const bench = setup();
    await bench.put({ rests: {} });
    await bench.claim("A", 1);
    expect(await listenTo(bench, "A", "rests")).toHaveProperty("until");
    await bench.fail("A", "rests", "retry");
    expect(await bench.purge("due", "retry")).toMatchObject({ removed: 1 });
    expect((await bench.shard()).notes).toEqual({});
    expect((await emit(bench, "event")).jobs).toEqual([]);
    expect((await bench.shard()).listeners).toEqual([]);
  });

  test("of jobs that are due later loses those that were never tried, or those that wait for another attempt", async () => {
    const bench = setup();
    await bench.put({
      tried: KEYED,
      limited: limited("k", { due: "+5000" }),
      later: { due: "+5000" },
      step: { ...STEP, due: "+9000" },
    });
    await bench.claim("A", 1);
    await bench.fail("A", "tried", "retry");
    expect(await bench.purge("due", "retry")).toMatchObject({ looked: 4, removed: 1, steps: 0 });
    expect(await bench.purge("due", "scheduled")).toMatchObject({
      looked: 3,
      removed: 2,
      steps: 1,
    });
    expect(await bench.shard()).toMatchObject({
      due: { q: { step: expect.any(Number) as number } },
      keys: {},
    });
    await bench.remove("step");
  });

  test("is walked past what stays, and workers that promote do not move what has not been looked at", async () => {
    const bench = setup();
    await bench.put(many(150, (i) => ({ due: `+${60_000 + i}`, task: i % 2 === 0 ? "a:task" : "b:task" })));
    const first = await bench.purge("due", "scheduled", { task: "a:task", most: 50 });
    expect(first).toMatchObject({ looked: 50, removed: 25 });
    await bench.redis.zadd(bench.keys.queue("q").due, "XX", 1, "j1", 1, "j3");
    await bench.claim("A", 2);
    const rest = await bench.purge("due", "scheduled", { task: "a:task", most: 100, from: first.from });
    expect(rest).toMatchObject({ looked: 98, removed: 50 });
    expect(await bench.purge("due", "scheduled", { task: "a:task", from: rest.from })).toMatchObject({
      looked: 0,
    });
  });

  test.each(["dead", "completed", "cancelled"] as const)(
    "of %s jobs loses those of the queue, steps too",
    async (state) => {
      const bench = setup();
      await bench.put({ mine: KEYED, step: STEP, other: { queue: "other" } });
      await bench.claim("A", 2);
      await bench.advance("A", { want: 1, quotas: [{ queue: "other", quota: 1 }] });
      for (const [id, queue] of [
        ["mine", "q"],
        ["step", "q"],
        ["other", "other"],
      ] as const) {
        if (state === "completed")
          await bench.advance("A", { kept: [{ id, run: runText({ state }), keepMs: HOUR_MS }] });
        else await bench.fail("A", id, state, { queue, run: runText({ state }) });
      }
      const place = state === "dead" ? "dead" : "done";
      const wrong = state === "completed" ? "cancelled" : "completed";
      expect(await bench.purge(place, wrong)).toMatchObject({ looked: 3, removed: 0 });
      expect(await bench.purge(place, state)).toMatchObject({ looked: 3, removed: 2 });
      expect(Object.keys((await bench.shard()).jobs)).toEqual(["other"]);
    },
  );

  test("of cancelled jobs leaves a tombstone where a list still has the id", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.cancel("a");
    expect(await bench.purge("done", "cancelled")).toMatchObject({ removed: 1 });
    expect(await bench.shard()).toMatchObject({ jobs: { a: "[0]" }, runs: {}, done: {} });
    await bench.claim("B", 1);
    await bench.discard("B", ["a"]);
    expect((await bench.shard()).jobs).toEqual({});
  });
});
