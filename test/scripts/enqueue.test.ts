import { describe, expect, test } from "vitest";
import { enqueue } from "../../runtime/scripts/index.js";
import { until } from "../support/signal.js";
import { HOUR_MS, item, recordText, runText, useShards, type NewJob } from "./shard-bench.js";

const setup = useShards();

const KEY = "a:task order-1";
const KEYED: NewJob = { key: KEY, keyTtlMs: HOUR_MS };

describe("a new job", () => {
  test("to run at once goes to the end of its queue, with one hint", async () => {
    const bench = setup();
    const before = Number((await bench.redis.time())[0]) * 1000;
    const reply = await bench.put({ a: {}, b: { queue: "other" }, c: {} });
    expect(reply.known).toEqual([]);
    expect(reply.nowMs).toBeGreaterThanOrEqual(before);
    expect(reply.nowMs).toBeLessThan(before + 60_000);
    const shard = await bench.shard();
    expect(shard.pending).toEqual({ q: ["a", "c"], other: ["b"] });
    expect(shard.jobs).toEqual({ a: recordText(), b: recordText({ queue: "other" }), c: recordText() });
    expect(shard.wake).toEqual({ q: ["1"], other: ["1"] });
    expect([shard.due, shard.runs, shard.keys]).toEqual([{}, {}, {}]);
  });

  test("with an id of its own runs at once too", async () => {
    const bench = setup();
    await bench.put({ a: { ownId: true, options: { at: 1 } } });
    const shard = await bench.shard();
    expect([shard.pending, shard.wake]).toEqual([{ q: ["a"] }, { q: ["1"] }]);
  });

  test("due after a while waits by the clock of Redis, one due at a time by that time", async () => {
    const bench = setup();
    const { nowMs } = await bench.put({
      after: { due: `+${HOUR_MS}` },
      at: { due: "8640000000000000" },
      past: { due: "1" },
    });
    const shard = await bench.shard();
    expect(shard.due).toEqual({ q: { after: nowMs + HOUR_MS, at: 8_640_000_000_000_000, past: 1 } });
    expect(shard.pending).toEqual({});
  });

  test.each(["+NaN", "+", "-1", "soon"])("due %s is refused, and nothing of it is stored", async (due) => {
    const bench = setup();
    await expect(bench.put({ a: { due } })).rejects.toThrow(/expected whole milliseconds, got/);
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("wakes workers when it is due before all others, else not", async () => {
    const bench = setup();
    await bench.put({ late: { due: `+${2 * HOUR_MS}` } });
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.put({ later: { due: `+${3 * HOUR_MS}` } });
    expect((await bench.shard()).wake).toEqual({});
    await bench.put({ early: { due: `+${HOUR_MS}` } });
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
  });

  test("comes in batches of 250 over several queues, each job in its place", async () => {
    const bench = setup();
    const jobs = Array.from({ length: 250 }, (_unused, i): [string, NewJob] => {
      const queue = `q${i % 3}`;
      return [
        `j${i}`,
        i % 5 === 0 ? { queue, due: "+1000" } : i % 7 === 0 ? { queue, ownId: true } : { queue },
      ];
    });
    expect((await bench.put(Object.fromEntries(jobs))).known).toEqual([]);
    const shard = await bench.shard();
    expect(Object.keys(shard.jobs)).toHaveLength(250);
    expect(Object.values(shard.due).flatMap(Object.keys)).toHaveLength(50);
    expect(Object.values(shard.pending).flat()).toHaveLength(200);
  });
});

describe("a call that is sent again", () => {
  test("is answered and not repeated, although its job has run and gone", async () => {
    const bench = setup();
    const jobs = [item("a"), item("b", { ...KEYED, due: "" }), item("c", { ...KEYED, due: "" })];
    const first = await bench.send(jobs, 7);
    expect(first.known).toEqual([{ item: jobs[2], existing: "b", replaced: false }]);
    const ids = await bench.claim("A", 2);
    await bench.advance("A", { dropped: ids });
    await bench.redis.del(bench.keys.queue("q").wake);
    const gone = await bench.shard();
    expect(gone.jobs).toEqual({});
    expect(await bench.send(jobs, 7)).toEqual(first);
    expect(await bench.shard()).toEqual({ ...gone, nowMs: expect.any(Number) as number });
  });

  test("is known by client, slot and number together", async () => {
    const bench = setup();
    await bench.send([item("a")], 1);
    await bench.send([item("b")], 2);
    await bench.send([item("c")], 2, 1);
    await bench.send([item("d")], 2, 0, "other-client");
    await bench.send([item("e")], 22); // begins like call 2
    expect((await bench.shard()).pending).toEqual({ q: ["a", "b", "c", "d", "e"] });
    expect(Object.keys((await bench.shard()).sent)).toEqual(["client:0", "client:1", "other-client:0"]);
  });

  test("is remembered for ten minutes", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    const ms = await bench.redis.pttl(bench.keys.sent("client", 0));
    expect(ms).toBeGreaterThan(590_000);
    expect(ms).toBeLessThanOrEqual(600_000);
  });
});

describe("an id that is taken", () => {
  test("by the same job answers with it, whenever it was made", async () => {
    const bench = setup();
    await bench.put({ a: { ownId: true, options: { at: 1, maxRetries: 2 } } });
    const reply = await bench.put({ a: { ownId: true, options: { at: 99, maxRetries: 2 } } });
    expect(reply.known.map((known) => known.existing)).toEqual(["a"]);
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test.each<[string, NewJob]>([
    ["another payload", { payload: { n: 2 } }],
    ["another payload that names a time like an option", { payload: { at: 1, n: 1 } }],
    ["another task", { task: "b:task", payload: { n: 1 } }],
    ["other options", { payload: { n: 1 }, options: { at: 1, maxRetries: 1 } }],
  ])("by a job with %s is a conflict and changes nothing", async (_name, other) => {
    const bench = setup();
    await bench.put({ a: { ownId: true, options: { at: 1 }, payload: { n: 1 } } });
    const before = await bench.shard();
    const reply = await bench.put({ a: { options: { at: 2 }, ...other, ownId: true }, b: {} });
    expect(reply.known.map((known) => [known.item.id, known.existing])).toEqual([["a", undefined]]);
    const after = await bench.shard();
    expect(after.jobs["a"]).toBe(before.jobs["a"]);
    expect(after.pending).toEqual({ q: ["a", "b"] });
  });

  test("by the same id twice in one call stores one job", async () => {
    const bench = setup();
    const job = item("a", { ownId: true, options: { at: 1 } });
    const reply = await bench.send([job, { ...job }], 1);
    expect(reply.known.map((known) => known.existing)).toEqual(["a"]);
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test("by a deleted job that has its place in the list is a conflict until the list has passed it", async () => {
    const bench = setup();
    const job = { a: { ownId: true, options: { at: 1 } } };
    await bench.put(job);
    await bench.remove("a");
    expect((await bench.put(job)).known.map((known) => known.existing)).toEqual([undefined]);
    await bench.claim("A", 1);
    await bench.discard("A", ["a"]);
    expect((await bench.put(job)).known).toEqual([]);
    expect((await bench.shard()).pending).toEqual({ q: ["a"] });
  });

  test("was free again once the job has run and nothing of it is kept", async () => {
    const bench = setup();
    const job = { a: { ownId: true, options: { at: 1 } } };
    await bench.put(job);
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
    expect((await bench.put(job)).known).toEqual([]);
  });
});

describe("a job that is dated", () => {
  const DATED: NewJob = { dated: true, options: { startWithinMs: 5 } };
  const at = (nowMs: number, job: NewJob = {}): string =>
    recordText({ ...job, options: { at: nowMs, startWithinMs: 5, ...job.options } });

  test("gets the time of Redis when it is stored, in line and else, and no other job does", async () => {
    const bench = setup();
    const group = { name: "a:task k", limit: 1 };
    const { nowMs } = await bench.put({
      a: DATED,
      b: {},
      c: { ...DATED, queue: "other" },
      d: { ...DATED, due: `+${HOUR_MS}` },
      e: { ...DATED, ownId: true },
      f: { ownId: true, options: { at: 1 } },
      g: { dated: true, group },
    });
    const { jobs, pending } = await bench.shard();
    expect(jobs).toEqual({
      a: at(nowMs),
      b: recordText(),
      c: at(nowMs, { queue: "other" }),
      d: at(nowMs),
      e: at(nowMs),
      f: recordText({ options: { at: 1 } }),
      g: recordText({ options: { at: nowMs, group: group.name } }),
    });
    expect(pending).toEqual({ q: ["a", "b", "e", "f", "g"], other: ["c"] });
  });

  test("is the same job when its id is enqueued again, and keeps its time; so it does when its call is sent again", async () => {
    const bench = setup();
    const own = item("a", { ...DATED, ownId: true });
    const { nowMs } = await bench.send([own, item("b", DATED)], 1);
    await until("time to pass", async () => (await bench.shard()).nowMs > nowMs);
    expect((await bench.send([own, item("b", DATED)], 1)).nowMs).toBe(nowMs);
    expect((await bench.send([own], 2)).known.map(({ existing }) => existing)).toEqual(["a"]);
    expect((await bench.shard()).jobs).toEqual({ a: at(nowMs), b: at(nowMs) });
  });

  test("that is refused because its task is drained is refused as others are, and stored where even those are", async () => {
    const bench = setup();
    await bench.drain("task", "a:task");
    expect((await bench.put({ a: DATED, b: { ...DATED, ownId: true } })).drained).toHaveLength(2);
    const items = [item("a", DATED)];
    const call = { keys: bench.keys, client: "c", slot: 0, call: 1, items, evenDrained: true };
    const { nowMs } = await enqueue(bench.connection, call);
    expect((await bench.shard()).jobs).toEqual({ a: at(nowMs!) });
  });
});

describe("an idempotency key", () => {
  test("gives the first job to every later enqueue, in the same call and in others", async () => {
    const bench = setup();
    const first = await bench.put({ a: KEYED, b: KEYED });
    const second = await bench.put({ c: { ...KEYED, due: "+5000", queue: "other" } });
    expect([...first.known, ...second.known].map((known) => known.existing)).toEqual(["a", "a"]);
    const shard = await bench.shard();
    expect(Object.keys(shard.jobs)).toEqual(["a"]);
    expect(shard.keys).toEqual({ [KEY]: "a" });
    expect(shard.keysExpiry).toEqual({ [KEY]: first.nowMs + HOUR_MS });
    expect(shard.due).toEqual({});
  });

  test("is held by a completed job of which nothing is kept, for its ttl", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.advance("A", { dropped: await bench.claim("A", 1) });
    expect((await bench.put({ b: KEYED })).known.map((known) => known.existing)).toEqual(["a"]);
  });

  test("is taken over after its end, before any sweep", async () => {
    const bench = setup();
    await bench.put({ a: { ...KEYED, keyTtlMs: 0 } });
    const { known, nowMs } = await bench.put({ b: KEYED });
    expect(known).toEqual([]);
    const shard = await bench.shard();
    expect(shard.keys).toEqual({ [KEY]: "b" });
    expect(shard.keysExpiry).toEqual({ [KEY]: nowMs + HOUR_MS });
    // The end of the job that lost the key must not free it for a third one.
    await bench.fail("A", (await bench.claim("A", 2))[0]!, "dead");
    expect((await bench.shard()).keys).toEqual({ [KEY]: "b" });
    expect((await bench.put({ c: KEYED })).known.map((found) => found.existing)).toEqual(["b"]);
  });

  test("of a dead job is free, unless it is held", async () => {
    const bench = setup();
    const held: NewJob = { ...KEYED, key: "a:task held", options: { hold: 1 } };
    await bench.put({ a: KEYED, h: held });
    for (const id of await bench.claim("A", 2)) await bench.fail("A", id, "dead");
    const { known } = await bench.put({ b: KEYED, i: held });
    expect(known.map((found) => [found.item.id, found.existing])).toEqual([["i", "h"]]);
  });

  test("yields to an id that is taken", async () => {
    const bench = setup();
    await bench.put({ a: { ownId: true, options: { at: 1 } }, k: KEYED });
    const { known } = await bench.put({ a: { ...KEYED, ownId: true, options: { at: 1 } } });
    expect(known.map((found) => found.existing)).toEqual(["a"]);
    expect((await bench.shard()).keys).toEqual({ [KEY]: "k" });
  });

  test("of a retried job that came back is its own again", async () => {
    const bench = setup();
    await bench.put({ a: KEYED });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "retry", { run: runText({ attempts: 1, state: "retry" }), ms: 0 });
    expect((await bench.put({ b: KEYED })).known.map((found) => found.existing)).toEqual(["a"]);
  });
});

describe("a queue with a limit", () => {
  const LIMITED: NewJob = { maxPending: 3 };

  test("takes what fits, in order, and refuses the rest of the call", async () => {
    const bench = setup();
    const reply = await bench.put({
      a: LIMITED,
      b: LIMITED,
      c: LIMITED,
      d: LIMITED,
      other: { queue: "other" },
    });
    expect(reply.refused.map(({ id }) => id)).toEqual(["d"]);
    expect((await bench.put({ e: LIMITED })).refused).toHaveLength(1);
    const shard = await bench.shard();
    expect(shard.pending).toEqual({ q: ["a", "b", "c"], other: ["other"] });
    expect(Object.keys(shard.jobs).toSorted()).toEqual(["a", "b", "c", "other"]);
  });

  test("counts jobs with ids and keys of their own, and leaves a refused key free", async () => {
    const bench = setup();
    const own: NewJob = { ...LIMITED, ownId: true, options: { at: 1 } };
    const reply = await bench.put({ a: LIMITED, b: LIMITED, c: own, d: own, e: { ...LIMITED, ...KEYED } });
    expect(reply.refused.map(({ id }) => id)).toEqual(["d", "e"]);
    expect((await bench.shard()).keys).toEqual({});
  });

  test("still answers for jobs that it has, and takes those with a due time", async () => {
    const bench = setup();
    const own: NewJob = { ...LIMITED, ownId: true, options: { at: 1 } };
    await bench.put({ a: own, b: { ...LIMITED, ...KEYED }, c: LIMITED });
    const reply = await bench.put({
      a: own,
      d: { ...LIMITED, ...KEYED },
      e: { ...LIMITED, due: `+${HOUR_MS}` },
    });
    expect(reply.known.map(({ existing }) => existing)).toEqual(["a", "b"]);
    expect(reply.refused).toEqual([]);
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["e"]);
  });

  test("has room again when jobs have left it", async () => {
    const bench = setup();
    await bench.put({ a: LIMITED, b: LIMITED, c: LIMITED });
    await bench.register("w");
    await bench.claim("w", 2);
    expect((await bench.put({ d: LIMITED, e: LIMITED, f: LIMITED })).refused.map(({ id }) => id)).toEqual([
      "f",
    ]);
  });

  test("answers a call that is sent again as the first time", async () => {
    const bench = setup();
    const jobs = ["a", "b", "c", "d"].map((id) => item(id, LIMITED));
    await bench.send(jobs, 7);
    expect((await bench.send(jobs, 7)).refused).toEqual([jobs[3]]);
    expect((await bench.shard()).pending).toEqual({ q: ["a", "b", "c"] });
  });
});
