import { describe, expect, test } from "vitest";
import { HOUR_MS, runText, useShards, type NewJob } from "./shard-bench.js";

const setup = useShards();

const KEYED: NewJob = { key: "a:task k", keyTtlMs: HOUR_MS };

async function setupActive(job: NewJob = KEYED) {
  const bench = setup();
  await bench.put({ a: job });
  await bench.claim("A", 1);
  await bench.redis.del(bench.keys.queue("q").wake);
  return bench;
}

describe("a retry", () => {
  test("waits for its time, keeps its key, and wakes workers when it is the next to be due", async () => {
    const bench = await setupActive();
    const run = runText({ attempts: 1, state: "retry" });
    expect(await bench.fail("A", "a", "retry", { run, ms: HOUR_MS })).toBe("retry");
    const shard = await bench.shard();
    expect(shard.runs).toEqual({ a: run });
    expect(shard.due["q"]?.["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect([shard.active, shard.pending, shard.done, shard.dead]).toEqual([{}, {}, {}, {}]);
    expect([shard.keys, shard.wake]).toEqual([{ "a:task k": "a" }, { q: ["1"] }]);
  });

  test.each([Number.NaN, -1, Infinity, 2 ** 60])(
    "whose time is %d is refused, and the job stays where it is",
    async (ms) => {
      const bench = await setupActive();
      const { nowMs: _then, ...before } = await bench.shard();
      await expect(bench.fail("A", "a", "retry", { ms })).rejects.toThrow(/expected whole milliseconds, got/);
      expect(await bench.shard()).toMatchObject(before);
      expect(await bench.fail("A", "a", "retry", { ms: 0 })).toBe("retry");
    },
  );

  test("behind another due job wakes nobody", async () => {
    const bench = await setupActive();
    await bench.put({ b: { due: "+1000" } });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.fail("A", "a", "retry", { ms: HOUR_MS });
    expect((await bench.shard()).wake).toEqual({});
  });

  test("of a job whose cancel was asked for becomes that cancel, and is kept as one", async () => {
    const bench = await setupActive();
    await bench.cancel("a");
    await bench.await("a", "client");
    const reply = await bench.fail("A", "a", "retry", { ms: 0, keepCancelledMs: HOUR_MS });
    expect(reply).toBe("cancelled");
    expect(await bench.runOf("a")).toMatchObject({ attempts: 1, state: "cancelled", detail: null });
    const shard = await bench.shard();
    expect(shard.done["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect([shard.cancels, shard.keys, shard.waits, shard.due]).toEqual([[], {}, {}, {}]);
  });

  test("of a step whose cancel was asked for comes at once: its workflow has to hear of it", async () => {
    const bench = await setupActive({ options: { run: "r", step: "a" } });
    await bench.cancel("a");
    expect(await bench.fail("A", "a", "retry", { ms: HOUR_MS })).toBe("retry");
    expect(await bench.claim("A", 1)).toEqual(["a"]);
    expect((await bench.shard()).cancels).toEqual([]);
  });

  test("of a job whose cancel was asked for is removed when cancelled jobs are not kept", async () => {
    const bench = await setupActive();
    await bench.cancel("a");
    await bench.fail("A", "a", "retry", { keepCancelledMs: 0 });
    const shard = await bench.shard();
    expect([shard.jobs, shard.runs, shard.done]).toEqual([{}, {}, {}]);
  });
});

describe.each([
  ["dead", "dead"],
  ["cancelled", "done"],
] as const)("a job that ends %s", (outcome, index) => {
  test(`stands in ${index}, frees its key and is told to those who wait`, async () => {
    const bench = await setupActive();
    await bench.await("a", "client");
    const run = runText({ attempts: 1, state: outcome });
    expect(await bench.fail("A", "a", outcome, { run, ms: HOUR_MS })).toBe(outcome);
    const shard = await bench.shard();
    expect(shard[index]["a"]).toBeGreaterThan(shard.nowMs + HOUR_MS - 60_000);
    expect(shard[index]["a"]).toBeLessThanOrEqual(shard.nowMs + HOUR_MS);
    expect([shard.runs, shard.keys, shard.waits, shard.active]).toEqual([{ a: run }, {}, {}, {}]);
  });

  test("leaves nothing when nothing is to be kept", async () => {
    const bench = await setupActive();
    await bench.fail("A", "a", outcome, { ms: 0 });
    const shard = await bench.shard();
    expect([shard.jobs, shard.runs, shard.done, shard.dead, shard.keys]).toEqual([{}, {}, {}, {}, {}]);
  });

  test("keeps a key that is to be held", async () => {
    const bench = await setupActive({ ...KEYED, options: { hold: 1 } });
    await bench.fail("A", "a", outcome);
    expect((await bench.shard()).keys).toEqual({ "a:task k": "a" });
  });

  test("keeps that outcome although a cancel was asked for", async () => {
    const bench = await setupActive();
    await bench.cancel("a");
    expect(await bench.fail("A", "a", outcome)).toBe(outcome);
    expect((await bench.shard()).cancels).toEqual([]);
  });
});

describe("an attempt that is not this worker's", () => {
  test.each(["retry", "dead", "cancelled"] as const)("cannot be ended as %s", async (outcome) => {
    const bench = await setupActive();
    await bench.register("B");
    const before = await bench.shard();
    expect(await bench.fail("B", "a", outcome)).toBe("GONE");
    expect(await bench.fail("A", "never-there", outcome)).toBe("GONE");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("was ended already: the second answer to the same failure changes nothing", async () => {
    const bench = await setupActive();
    await bench.fail("A", "a", "dead");
    const before = await bench.shard();
    expect(await bench.fail("A", "a", "dead", { ms: 5 })).toBe("GONE");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test.each(["retry", "dead", "cancelled"] as const)(
    "sent again after its job was retried by a person, it is no failure of the attempt that runs now (%s)",
    async (outcome) => {
      const bench = await setupActive();
      const event = '[1795420000000,"failed",1,"E","no","E: no"]';
      const run = `[1,0,"${outcome}",null,[${event}]]`;
      await bench.fail("A", "a", outcome, { run });
      await bench.retry("a");
      await bench.claim("A", 1);
      const { nowMs: _then, ...before } = await bench.shard();
      expect(await bench.fail("A", "a", outcome, { run })).toBe("GONE");
      expect(await bench.shard()).toMatchObject(before);
      const next = `[1,0,"${outcome}",null,[${event},[1795420000001,"retried"],[1795420000002,"failed",1,"E","no","E: no"]]]`;
      expect(await bench.fail("A", "a", outcome, { run: next })).toBe(outcome);
    },
  );

  test("is LOST to a worker without a lease, or a condemned one", async () => {
    const bench = await setupActive();
    expect(await bench.fail("unknown", "a", "dead")).toBe("LOST");
    await bench.endLease("A");
    await bench.reclaim("A", ["nothing"]);
    const before = await bench.shard();
    expect(await bench.fail("A", "a", "dead")).toBe("LOST");
    expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
  });

  test("of a zombie leaves the newer attempt alone", async () => {
    const bench = await setupActive();
    await bench.endLease("A");
    await bench.reclaim("A", ["a"]);
    await bench.reclaim("A", []);
    await bench.claim("B", 1);
    expect(await bench.fail("A", "a", "dead")).toBe("LOST");
    expect(await bench.advance("A", { dropped: ["a"] })).toBe("LOST");
    expect((await bench.shard()).active).toEqual({ a: "B" });
    expect(await bench.fail("B", "a", "retry")).toBe("retry");
  });
});
