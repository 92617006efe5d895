import { describe, expect, test } from "vitest";
import { parseRun } from "../../runtime/protocol/index.js";
import type { Advanced } from "../../runtime/scripts/index.js";
import { HOUR_MS, recordText, runText, useShards, type NewJob, type ShardBench } from "./shard-bench.js";

const setup = useShards();

const DONE = runText({ attempts: 1, state: "completed", detail: { ok: true } });

function many(count: number, job: NewJob = {}, from = 0): Record<string, NewJob> {
  return Object.fromEntries(
    Array.from({ length: count }, (_unused, i) => [`${job.queue ?? "q"}${from + i}`, job]),
  );
}

async function advanced(bench: ShardBench, ...call: Parameters<ShardBench["advance"]>): Promise<Advanced> {
  const reply = await bench.advance(...call);
  if (reply === "LOST") throw new Error("expected the lease to be held, got LOST");
  return reply;
}

describe("claiming", () => {
  test("takes the oldest jobs, with texts and owner", async () => {
    const bench = setup();
    await bench.put({ a: { payload: { n: 1 } }, b: {}, c: {} });
    await bench.register("A");
    const reply = await advanced(bench, "A", { want: 2 });
    expect(reply).toEqual({
      nextDueMs: -1,
      invited: [],
      more: true,
      ids: ["a", "b"],
      records: [recordText({ payload: { n: 1 } }), recordText()],
      runs: new Map(),
    });
    const shard = await bench.shard();
    expect(shard.active).toEqual({ a: "A", b: "A" });
    expect(shard.pending).toEqual({ q: ["c"] });
  });

  test("takes what is there when more is wanted, and says that nothing is left", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.register("A");
    expect(await advanced(bench, "A", { want: 5 })).toMatchObject({ ids: ["a"], more: false });
    expect(await advanced(bench, "A", { want: 5 })).toEqual({
      invited: [],
      nextDueMs: -1,
      more: false,
      ids: [],
      runs: new Map(),
    });
  });

  test("leaves a hint for the next worker only when something is left", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.claim("A", 1);
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.claim("A", 1);
    expect((await bench.shard()).wake).toEqual({});
  });

  test("tells what happened to a job before, by its position", async () => {
    const bench = setup();
    const run = runText({ attempts: 1, state: "retry" });
    await bench.put({ a: {}, b: {}, c: {} });
    await bench.redis.hset(bench.keys.runs, "b", run);
    await bench.register("A");
    expect([...(await advanced(bench, "A", { want: 3 })).runs]).toEqual([[1, run]]);
  });

  test("leaves out the records when they are many", async () => {
    const bench = setup();
    await bench.put(many(3));
    await bench.register("A");
    const reply = await advanced(bench, "A", { want: 3, inlineUpTo: 2 });
    expect([reply.ids.length, reply.records]).toEqual([3, undefined]);
  });

  test("divides by quota while all queues have jobs", async () => {
    const bench = setup();
    await bench.put({ ...many(10, { queue: "x" }), ...many(10, { queue: "y" }) });
    await bench.register("A");
    const quotas = [
      { queue: "x", quota: 1 },
      { queue: "y", quota: 3 },
    ];
    const reply = await advanced(bench, "A", { want: 4, quotas });
    expect(reply.ids).toEqual(["x0", "y0", "y1", "y2"]);
  });

  test("gives places that a queue cannot fill to whoever has jobs", async () => {
    const bench = setup();
    await bench.put({ ...many(10, { queue: "x" }), ...many(1, { queue: "y" }) });
    await bench.register("A");
    const quotas = [
      { queue: "x", quota: 1 },
      { queue: "y", quota: 3 },
      { queue: "empty", quota: 1 },
    ];
    const reply = await advanced(bench, "A", { want: 5, quotas });
    expect(reply.ids).toEqual(["x0", "y0", "x1", "x2", "x3"]);
  });

  test("passes over a paused queue, moves its due jobs all the same, and takes them after the pause", async () => {
    const bench = setup();
    await bench.put({ p: { queue: "x", due: "1" }, r: {} });
    await bench.redis.hset(bench.keys.paused, "x", 1);
    await bench.register("A");
    const quotas = [
      { queue: "x", quota: 5 },
      { queue: "q", quota: 0 },
    ];
    const paused = await advanced(bench, "A", { want: 5, quotas });
    expect(paused).toMatchObject({ ids: ["r"], more: false });
    expect((await bench.shard()).pending).toEqual({ x: ["p"] });
    await bench.redis.hdel(bench.keys.paused, "x");
    expect(await advanced(bench, "A", { want: 5, quotas })).toMatchObject({ ids: ["p"] });
  });

  test("never takes more than a script can write down, however much is wanted", async () => {
    const bench = setup();
    for (let from = 0; from < 5000; from += 250) await bench.put(many(250, {}, from));
    await bench.register("A");
    const reply = await advanced(bench, "A", { want: 5000 });
    expect([reply.ids.length, reply.more]).toEqual([1000, true]);
  });
});

describe("what is due", () => {
  test("becomes pending in its order, behind what waits, and can be claimed in the same call", async () => {
    const bench = setup();
    await bench.put({
      second: { due: "2" },
      first: { due: "1" },
      waiting: {},
      later: { due: `+${HOUR_MS}` },
    });
    await bench.register("A");
    const reply = await advanced(bench, "A", { want: 9 });
    expect(reply.ids).toEqual(["waiting", "first", "second"]);
    expect(reply.nextDueMs).toBeGreaterThan(HOUR_MS - 60_000);
    expect(reply.nextDueMs).toBeLessThanOrEqual(HOUR_MS);
    expect(Object.keys((await bench.shard()).due["q"] ?? {})).toEqual(["later"]);
  });

  test("is moved 500 at a time, and the rest is due at once", async () => {
    const bench = setup();
    for (let from = 0; from < 600; from += 200) await bench.put(many(200, { due: "1" }, from));
    await bench.register("A");
    expect(await advanced(bench, "A")).toMatchObject({ ids: [], nextDueMs: 0 });
    expect((await bench.shard()).pending["q"]).toHaveLength(500);
    expect(await advanced(bench, "A")).toMatchObject({ nextDueMs: -1 });
    expect((await bench.shard()).pending["q"]).toHaveLength(600);
  });

  test("leaves a hint for idle workers", async () => {
    const bench = setup();
    await bench.put({ a: { due: "1" } });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.register("A");
    await bench.advance("A");
    expect((await bench.shard()).wake).toEqual({ q: ["1"] });
  });

  test("is told as the earliest of all queues", async () => {
    const bench = setup();
    await bench.put({ a: { queue: "x", due: "+9000000" }, b: { queue: "y", due: "+5000000" } });
    await bench.register("A");
    const quotas = ["x", "y", "none"].map((queue) => ({ queue, quota: 0 }));
    const { nextDueMs } = await advanced(bench, "A", { quotas });
    expect(nextDueMs).toBeGreaterThan(4_900_000);
    expect(nextDueMs).toBeLessThanOrEqual(5_000_000);
  });
});

describe("acknowledging", () => {
  test("removes every trace of a job of which nothing is kept", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 1);
    await bench.fail("A", "a", "retry", { ms: 0 });
    await bench.claim("A", 2);
    expect((await bench.shard()).runs["a"]).toBeDefined();
    await bench.advance("A", { dropped: ["a", "b"] });
    const { jobs, runs, active, pending, done } = await bench.shard();
    expect({ jobs, runs, active, pending, done }).toEqual({
      jobs: {},
      runs: {},
      active: {},
      pending: {},
      done: {},
    });
  });

  test("keeps the run for as long as it is told", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    const before = (await bench.shard()).nowMs;
    await bench.advance("A", { kept: [{ id: "a", run: DONE, keepMs: HOUR_MS }] });
    const shard = await bench.shard();
    expect(parseRun(shard.runs["a"] ?? null)).toMatchObject({ state: "completed", detail: { ok: true } });
    expect(shard.active).toEqual({});
    expect(shard.done["a"]).toBeGreaterThanOrEqual(before + HOUR_MS);
    expect(shard.done["a"]).toBeLessThanOrEqual(shard.nowMs + HOUR_MS);
  });

  test("passes over a job that another worker holds, and one that is gone", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 2);
    await bench.register("B");
    const before = await bench.shard();
    await bench.advance("B", { dropped: ["a", "gone"], kept: [{ id: "b", run: DONE, keepMs: HOUR_MS }] });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("sent a second time changes nothing, and claims further jobs", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {}, c: {} });
    await bench.claim("A", 2);
    const call = { want: 1, dropped: ["a"], kept: [{ id: "b", run: DONE, keepMs: HOUR_MS }] };
    expect(await advanced(bench, "A", call)).toMatchObject({ ids: ["c"] });
    const before = await bench.shard();
    expect(await advanced(bench, "A", call)).toMatchObject({ ids: [] });
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("forgets the cancel that came too late, and tells those who wait", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.claim("A", 2);
    for (const id of ["a", "b"]) {
      await bench.cancel(id);
      await bench.await(id, "client-1");
      await bench.await(id, "client-2");
    }
    const subscriber = bench.redis.duplicate();
    const heard: string[] = [];
    subscriber.on("message", (channel: string, id: string) =>
      heard.push(`${channel.split(":").at(-1)} ${id}`),
    );
    await subscriber.subscribe(
      bench.keys.finishedChannel("client-1"),
      bench.keys.finishedChannel("client-2"),
    );
    await bench.advance("A", { dropped: ["a"], kept: [{ id: "b", run: DONE, keepMs: HOUR_MS }] });
    await subscriber.unsubscribe(); // answered after the messages before it
    subscriber.disconnect();
    expect(heard).toEqual(["client-1 a", "client-2 a", "client-1 b", "client-2 b"]);
    const shard = await bench.shard();
    expect([shard.cancels, shard.waits]).toEqual([[], {}]);
  });

  test("takes 128 dropped and 128 kept jobs with a claim of 128", async () => {
    const bench = setup();
    for (let from = 0; from < 384; from += 128) await bench.put(many(128, {}, from));
    await bench.register("A");
    const { ids } = await advanced(bench, "A", { want: 256 });
    const kept = ids.slice(128).map((id) => ({ id, run: DONE, keepMs: HOUR_MS }));
    const reply = await advanced(bench, "A", { want: 128, dropped: ids.slice(0, 128), kept });
    expect(reply.ids).toHaveLength(128);
    const shard = await bench.shard();
    expect([Object.keys(shard.jobs).length, Object.keys(shard.done).length]).toEqual([256, 128]);
  });
});

describe("the lease", () => {
  test("is renewed when told so, else left alone", async () => {
    const bench = setup();
    await bench.register("A", 1000);
    const before = (await bench.shard()).leases["A"];
    await bench.advance("A", { leaseMs: 0 });
    expect((await bench.shard()).leases["A"]).toBe(before);
    await bench.advance("A", { leaseMs: HOUR_MS });
    const shard = await bench.shard();
    expect(shard.leases["A"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
  });

  test.each([
    ["was never taken", async () => undefined],
    [
      "is condemned",
      async (bench: ShardBench) => {
        await bench.claim("A", 1);
        await bench.endLease("A");
        await bench.reclaim("A", ["nothing"]);
      },
    ],
  ])("that %s makes the call LOST: nothing is acknowledged, renewed or claimed", async (_name, lose) => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await lose(bench);
    const before = await bench.shard();
    const kept = [{ id: "a", run: DONE, keepMs: HOUR_MS }];
    expect(await bench.advance("A", { leaseMs: HOUR_MS, want: 2, dropped: ["a"], kept })).toBe("LOST");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("that has ended but that nobody took can still be used", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.claim("A", 1);
    await bench.endLease("A");
    expect(await bench.advance("A", { leaseMs: HOUR_MS, dropped: ["a"] })).toMatchObject({ ids: [] });
    expect(await bench.reclaim("A", [])).toBe("ALIVE");
  });
});
