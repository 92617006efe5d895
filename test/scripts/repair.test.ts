import { describe, expect, test } from "vitest";
import { repair, type RepairCall } from "../../runtime/scripts/index.js";
import { HOUR_MS, recordText, runText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();
const FAR = 9_000_000_000_000;
const KEY = "a:task k";
const DEAD = runText({ state: "dead" });

interface Change {
  readonly seen?: Partial<RepairCall["seen"]>;
  readonly target?: Partial<RepairCall["target"]>;
  readonly queues?: RepairCall["queues"];
  readonly longestSearch?: number;
  readonly keyFields?: readonly string[];
}

function mend(bench: ShardBench, { seen, target, queues, longestSearch, keyFields }: Change) {
  return repair(bench.connection, {
    keys: bench.keys,
    id: "a",
    seen: { record: "job", run: undefined, owner: undefined, ...seen },
    target: { record: "keep", run: undefined, active: false, done: undefined, dead: undefined, ...target },
    queues: queues ?? [place({})],
    longestSearch: longestSearch ?? 1000,
    keyFields: keyFields ?? [],
    keyEndsAt: FAR,
  });
}

function place(queue: Partial<RepairCall["queues"][number]>): RepairCall["queues"][number] {
  return { name: "q", seen: 0, pending: false, dueAt: undefined, ...queue };
}

describe("an id is put", () => {
  test("into the pending list of its queue, with a hint", async () => {
    const bench = setup();
    await bench.redis.hset(bench.keys.jobs, "a", recordText());
    expect(await mend(bench, { queues: [place({ pending: true })] })).toBe("REPAIRED");
    const { pending, wake } = await bench.shard();
    expect({ pending, wake }).toEqual({ pending: { q: ["a"] }, wake: { q: ["1"] } });
  });

  test("once into its list where it stands three times, at the first place", async () => {
    const bench = setup();
    await bench.put({ a: {}, b: {} });
    await bench.redis.rpush(bench.keys.queue("q").pending, "a", "a");
    expect(await mend(bench, { queues: [place({ seen: 3, pending: true })] })).toBe("REPAIRED");
    expect((await bench.shard()).pending).toEqual({ q: ["a", "b"] });
  });

  test("into its own queue's due set, with its time", async () => {
    const bench = setup();
    await bench.redis.hset(bench.keys.jobs, "a", recordText());
    await bench.redis.zadd(bench.keys.queue("other").due, 7, "a");
    await bench.redis.rpush(bench.keys.queue("other").pending, "a");
    const queues = [place({ dueAt: 7 }), place({ name: "other", seen: 1 })];
    expect(await mend(bench, { queues })).toBe("REPAIRED");
    const { due, pending } = await bench.shard();
    expect({ due, pending }).toEqual({ due: { q: { a: 7 } }, pending: {} });
  });

  test("into dead, out of everything else, with all that goes with it", async () => {
    const bench = setup();
    await bench.put({ a: { key: KEY, keyTtlMs: HOUR_MS } });
    await bench.claim("A", 1);
    await bench.await("a", "client");
    await bench.cancel("a");
    await bench.redis.hset(bench.keys.runs, "a", DEAD);
    await bench.redis.zadd(bench.keys.done, FAR, "a");
    const target = { dead: FAR, run: DEAD };
    expect(await mend(bench, { seen: { run: DEAD, owner: "A" }, target })).toBe("REPAIRED");
    const { active, dead, done, cancels, waits, keys } = await bench.shard();
    expect({ active, dead, done, cancels, waits, keys }).toEqual({
      active: {},
      dead: { a: FAR },
      done: {},
      cancels: [],
      waits: {},
      keys: {},
    });
  });

  test("into done, without notes, keeping the time of removal that it has", async () => {
    const bench = setup();
    const run = runText({ state: "completed", detail: { a: [1] } });
    await bench.put({ a: {} });
    await bench.redis.hset(bench.keys.runs, "a", run);
    await bench.redis.hset(bench.keys.notes, "a", '["s"]', "a progress", "5");
    await bench.redis.zadd(bench.keys.done, FAR, "a");
    const change = { seen: { run }, target: { run, done: 5 }, queues: [place({ seen: 1 })] };
    expect(await mend(bench, change)).toBe("REPAIRED");
    const { done, notes, pending } = await bench.shard();
    expect({ done, notes, pending }).toEqual({ done: { a: FAR }, notes: {}, pending: {} });
  });

  test("nowhere, with its run, when it has no record", async () => {
    const bench = setup();
    await bench.redis.hset(bench.keys.runs, "a", DEAD);
    await bench.redis.zadd(bench.keys.dead, FAR, "a");
    const change: Change = { seen: { record: "none", run: DEAD }, target: { record: "none" }, queues: [] };
    expect(await mend(bench, change)).toBe("REPAIRED");
    const { runs, dead, jobs } = await bench.shard();
    expect({ runs, dead, jobs }).toEqual({ runs: {}, dead: {}, jobs: {} });
  });

  test("behind a tombstone, when it has no record and stands in a list", async () => {
    const bench = setup();
    await bench.redis.rpush(bench.keys.queue("q").pending, "a");
    const queues = [place({ seen: 1, pending: true })];
    const change: Change = { seen: { record: "none" }, target: { record: "tombstone" }, queues };
    expect(await mend(bench, change)).toBe("REPAIRED");
    expect((await bench.shard()).jobs).toEqual({ a: "[0]" });
  });

  test("where it is, and a key of it without an end gets one; a key of another job does not", async () => {
    const bench = setup();
    await bench.put({ a: {} });
    await bench.redis.hset(bench.keys.keys, "own", "a", "other", "b");
    const queues = [place({ seen: 1, pending: true })];
    expect(await mend(bench, { queues, keyFields: ["own", "other"] })).toBe("REPAIRED");
    expect((await bench.shard()).keysExpiry).toEqual({ own: FAR });
    await bench.redis.hdel(bench.keys.keys, "other");
  });
});

describe("nothing is done to an id that is not as it was seen", () => {
  const moved: [what: string, change: Change][] = [
    ["another record", { seen: { record: "tombstone" } }],
    ["another run", { seen: { run: DEAD } }],
    ["another owner", { seen: { owner: "A" } }],
    ["more places in its list", { queues: [place({ seen: 0 })] }],
    ["fewer places in its list", { queues: [place({ seen: 2 })] }],
  ];
  test.each(moved)("%s", async (_what, change) => {
    const bench = setup();
    await bench.put({ a: {} });
    const before = await bench.shard();
    const target = { record: "none" } as const;
    expect(await mend(bench, { queues: [place({ seen: 1 })], target, ...change })).toBe("MOVED");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });
});

describe("a list that is longer than the longest search", () => {
  test("is not searched to take an id out", async () => {
    const bench = setup();
    await bench.put({ b: {}, a: {} });
    const change = { queues: [place({ seen: 1 })], longestSearch: 1 };
    expect(await mend(bench, change)).toBe("LONG");
    expect((await bench.shard()).pending).toEqual({ q: ["b", "a"] });
  });

  test("gets an id that is not in its first part", async () => {
    const bench = setup();
    await bench.put({ b: {}, c: {} });
    await bench.redis.hset(bench.keys.jobs, "a", recordText());
    expect(await mend(bench, { queues: [place({ pending: true })], longestSearch: 1 })).toBe("REPAIRED");
    expect((await bench.shard()).pending).toEqual({ q: ["b", "c", "a"] });
  });
});
