import { describe, expect, test } from "vitest";
import { parseRecord } from "../../runtime/protocol/index.js";
import { until } from "../support/signal.js";
import { HOUR_MS, recordText, runText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();
const MINUTE = "* * * * * UTC";

/** A schedule `s` in queue `q` whose ticks are settled up to 1000. */
async function scheduled(): Promise<ShardBench> {
  const bench = setup();
  await bench.declare({ s: MINUTE });
  await setState(bench, `["${MINUTE}",1000,0,"",0,""]`);
  return bench;
}

async function setState(bench: ShardBench, state: string): Promise<void> {
  await bench.redis.hset(bench.keys.schedules, "s", state);
}

async function stateOf(bench: ShardBench, name = "s"): Promise<unknown> {
  return JSON.parse((await bench.shard()).schedules[name] ?? "null") as unknown;
}

describe("declare", () => {
  test("begins a new schedule now: nothing is filled in from before", async () => {
    const bench = setup();
    const declared = await bench.declare({ s: MINUTE, t: "0 * * * * UTC" });
    if (declared === "OTHER") throw new Error("expected to be the first");
    const { nowMs, states } = declared;
    const state = { lastMs: nowMs, pausedAtMs: 0, lastJob: "", skipped: undefined };
    expect(states).toEqual([state, state]);
    const { schedules, nowMs: later } = await bench.shard();
    expect(later - nowMs).toBeLessThan(60_000);
    expect(schedules).toEqual({
      "@": `one ${nowMs}`,
      s: `["${MINUTE}",${nowMs},0,"",0,""]`,
      "s definition": MINUTE,
      t: `["0 * * * * UTC",${nowMs},0,"",0,""]`,
      "t definition": "0 * * * * UTC",
    });
  });

  test("answers how far a schedule has come, again and again", async () => {
    const bench = await scheduled();
    await bench.tick(1000, [2000]);
    for (const starts of [true, false]) {
      const declared = await bench.declare({ s: MINUTE }, { starts });
      expect(declared).toMatchObject({ states: [{ lastMs: 2000, lastJob: "t2000" }] });
    }
  });

  test("of a newer deploy: a changed timing begins now and keeps a pause, what is gone is removed, the rest goes on", async () => {
    const bench = await scheduled();
    await bench.declare({ s: MINUTE, kept: MINUTE, gone: MINUTE });
    await bench.redis.hset(bench.keys.schedules, "kept", `["${MINUTE}",5,0,"j",4,"missed"]`);
    await bench.suspend("pause");
    const declared = await bench.declare({ s: "0 * * * * UTC", kept: MINUTE }, { fingerprint: "two" });
    if (declared === "OTHER") throw new Error("expected the deploy that starts to decide");
    expect(declared.states).toEqual([
      { lastMs: declared.nowMs, pausedAtMs: expect.any(Number), lastJob: "", skipped: undefined },
      { lastMs: 5, pausedAtMs: 0, lastJob: "j", skipped: { atMs: 4, reason: "missed" } },
    ]);
    expect(declared.states[0]?.pausedAtMs).toBeGreaterThan(0);
    const { schedules } = await bench.shard();
    expect(Object.keys(schedules).toSorted()).toEqual(["@", "kept", "kept definition", "s", "s definition"]);
    expect(schedules["s definition"]).toBe("0 * * * * UTC");
  });

  test("of an older deploy changes nothing while the newest is heard, and decides when it is silent", async () => {
    const bench = setup();
    await bench.declare({ old: MINUTE }, { fingerprint: "old" });
    await bench.declare({ s: MINUTE }, { fingerprint: "new" });
    const { "@": _heard, ...before } = (await bench.shard()).schedules;
    const call = { fingerprint: "old", starts: false };
    expect(await bench.declare({ old: MINUTE }, call)).toBe("OTHER");
    expect((await bench.shard()).schedules).toMatchObject(before);
    await bench.redis.hset(bench.keys.schedules, "@", `new 1 ${(await bench.shard()).nowMs}`);
    expect(await bench.declare({ old: MINUTE }, call)).not.toBe("OTHER");
    expect(Object.keys((await bench.shard()).schedules).toSorted()).toEqual(["@", "old", "old definition"]);
  });

  test("of an older deploy that is the first to be heard after an outage leaves the newest its time to come back", async () => {
    const bench = setup();
    await bench.declare({ s: MINUTE }, { fingerprint: "new" });
    const { nowMs } = await bench.shard();
    const ago = nowMs - 2 * HOUR_MS;
    for (const newest of [`new ${ago}`, `new ${ago} ${ago + 1000}`]) {
      await bench.redis.hset(bench.keys.schedules, "@", newest);
      expect(await bench.declare({ old: MINUTE }, { fingerprint: "old", starts: false })).toBe("OTHER");
      const [, seen, heard] = (await bench.shard()).schedules["@"]!.split(" ").map(Number);
      expect(seen).toBeGreaterThanOrEqual(nowMs);
      expect(heard).toBe(seen);
    }
    expect(await bench.declare({ s: MINUTE }, { fingerprint: "new", starts: false })).not.toBe("OTHER");
  });

  test("begins anew where the clock of Redis was set back by more than an hour, and keeps a pause", async () => {
    const bench = await scheduled();
    const { nowMs } = await bench.shard();
    await setState(bench, `["${MINUTE}",${nowMs + HOUR_MS / 2},0,"",0,""]`);
    expect(await bench.declare({ s: MINUTE })).toMatchObject({ states: [{ lastMs: nowMs + HOUR_MS / 2 }] });
    await setState(bench, `["${MINUTE}",${nowMs + 2 * HOUR_MS},7,"",0,""]`);
    const declared = await bench.declare({ s: MINUTE });
    if (declared === "OTHER") throw new Error("expected the same deploy to decide");
    expect(declared.states).toMatchObject([{ lastMs: declared.nowMs, pausedAtMs: 7 }]);
  });

  test("of an older deploy waits its patience, and not until the clock is where it was before it was set back", async () => {
    const bench = setup();
    await bench.declare({ s: MINUTE }, { fingerprint: "new" });
    const { nowMs } = await bench.shard();
    await bench.redis.hset(bench.keys.schedules, "@", `new ${nowMs + 2 * HOUR_MS} ${nowMs + 2 * HOUR_MS}`);
    expect(await bench.declare({ old: MINUTE }, { fingerprint: "old", starts: false })).toBe("OTHER");
    const [, seen, heard] = (await bench.shard()).schedules["@"]!.split(" ").map(Number);
    expect(seen).toBeLessThan(nowMs + HOUR_MS);
    expect(heard).toBe(seen);
  });
});

describe("tick", () => {
  test("stores each tick's job under its id, in order, with a hint, and remembers how far it came", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [2000, 3000])).toBe(2);
    const { pending, wake } = await bench.shard();
    expect(pending["q"]).toEqual(["t2000", "t3000"]);
    expect(wake["q"]).toEqual(["1"]);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t3000", 0, ""]);
    expect(await bench.claim("A", 2)).toEqual(["t2000", "t3000"]);
  });

  test("dates its jobs by the time of Redis", async () => {
    const bench = await scheduled();
    const before = (await bench.shard()).nowMs;
    const record = recordText({ dated: true, options: { startWithinMs: 5 } });
    await bench.tick(1000, [], { upToMs: 2000, jobs: [{ tickMs: 2000, id: "t2000", record, dueMs: 2000 }] });
    const { jobs, nowMs } = await bench.shard();
    const { at, ...options } = parseRecord(jobs["t2000"]!)!.options;
    expect(options).toEqual({ startWithinMs: 5 });
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(nowMs);
  });

  test("is done once: sent again, or by another worker, it finds that all is settled", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [2000])).toBe(1);
    expect(await bench.tick(1000, [2000])).toBe("MOVED");
    expect(await bench.tick(2000, [2000])).toBe("MOVED");
    expect((await bench.shard()).pending["q"]).toEqual(["t2000"]);
  });

  test("does nothing for a schedule that is gone, nor before the time of Redis", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [2000], { schedule: "t" })).toBe("MOVED");
    const { nowMs } = await bench.shard();
    expect(await bench.tick(1000, [nowMs + HOUR_MS])).toBe("EARLY");
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("puts a job with jitter into the due set, and wakes workers that wait for later ones", async () => {
    const bench = await scheduled();
    const { nowMs } = await bench.shard();
    const at = (tickMs: number, dueMs: number) => ({
      tickMs,
      id: `t${tickMs}`,
      record: '[1,"a:task","q","h",0,{}]',
      dueMs,
    });
    await bench.tick(1000, [2000], { jobs: [at(2000, nowMs + HOUR_MS)] });
    expect((await bench.shard()).due["q"]).toEqual({ t2000: nowMs + HOUR_MS });
    await bench.redis.del(bench.keys.queue("q").wake);
    await bench.tick(2000, [3000], { jobs: [at(3000, nowMs + 2 * HOUR_MS)] });
    expect((await bench.shard()).wake).toEqual({});
    await bench.tick(3000, [4000], { jobs: [at(4000, nowMs + HOUR_MS / 2)] });
    expect((await bench.shard()).wake["q"]).toEqual(["1"]);
  });

  test("of a paused schedule is skipped, and said so", async () => {
    const bench = await scheduled();
    await bench.suspend("pause");
    expect(await bench.tick(1000, [2000, 3000])).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, expect.any(Number), "", 3000, "paused"]);
    expect((await bench.shard()).jobs).toEqual({});
  });

  test("notes what was missed, also where nothing runs", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [], { missedMs: 4000, upToMs: 4000 })).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 4000, 0, "", 4000, "missed"]);
    expect(await bench.tick(4000, [6000], { missedMs: 5000 })).toBe(1);
    expect(await stateOf(bench)).toEqual([MINUTE, 6000, 0, "t6000", 5000, "missed"]);
  });

  test("leaves a full queue as it is, so that the tick waits", async () => {
    const bench = await scheduled();
    await bench.put({ a: {}, b: {} });
    expect(await bench.tick(1000, [2000], { maxPending: 2 })).toBe("FULL");
    expect(await stateOf(bench)).toEqual([MINUTE, 1000, 0, "", 0, ""]);
    await bench.claim("A", 1);
    expect(await bench.tick(1000, [2000], { maxPending: 2 })).toBe(1);
  });

  test("does not store a job twice whose id is there, whatever the state says", async () => {
    const bench = await scheduled();
    await bench.tick(1000, [2000]);
    await setState(bench, `["${MINUTE}",1000,0,"",0,""]`);
    expect(await bench.tick(1000, [2000])).toBe(0);
    expect((await bench.shard()).pending["q"]).toEqual(["t2000"]);
  });
});

describe("tick with overlap: skip", () => {
  const skip = { overlap: "skip" } as const;

  test.each(["pending", "active", "retry"])("does not run while the job before it is %s", async (state) => {
    const bench = await scheduled();
    await bench.tick(1000, [2000], skip);
    if (state !== "pending") await bench.claim("A", 1);
    if (state === "retry") await bench.fail("A", "t2000", "retry");
    expect(await bench.tick(2000, [3000], skip)).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t2000", 3000, "overlap"]);
    expect(await bench.tick(3000, [4000])).toBe(1);
  });

  test("does not run beside a job that another timing of the schedule has made", async () => {
    const bench = await scheduled();
    await bench.tick(1000, [2000], skip);
    const declared = await bench.declare({ s: "0 * * * * UTC" }, { fingerprint: "two" });
    if (declared === "OTHER") throw new Error("expected the deploy that starts to decide");
    const { lastMs, lastJob } = declared.states[0]!;
    expect(lastJob).toBe("t2000");
    await until("a millisecond to pass", async () => (await bench.shard()).nowMs > lastMs);
    expect(await bench.tick(lastMs, [lastMs + 1], skip)).toBe(0);
  });

  test.each(["completed", "dropped", "dead", "cancelled", "deleted"])(
    "runs when the job before it is %s",
    async (state) => {
      const bench = await scheduled();
      await bench.tick(1000, [2000], skip);
      if (state === "deleted") await bench.remove("t2000");
      else if (state === "cancelled") await bench.cancel("t2000");
      else await bench.claim("A", 1);
      const run = runText({ state: "completed", attempts: 1 });
      if (state === "completed") await bench.advance("A", { kept: [{ id: "t2000", run, keepMs: HOUR_MS }] });
      if (state === "dropped") await bench.advance("A", { dropped: ["t2000"] });
      if (state === "dead") await bench.fail("A", "t2000", "dead");
      expect(await bench.tick(2000, [3000], skip)).toBe(1);
    },
  );

  test.each([
    ["pending", 1],
    ["active", 0],
    ["retry", 1],
  ] as const)("beside a job of another task, of a deploy before, that is %s: %i", async (state, ran) => {
    const bench = await scheduled();
    await bench.tick(1000, [2000], skip);
    if (state !== "pending") await bench.claim("A", 1);
    if (state === "retry") await bench.fail("A", "t2000", "retry");
    const jobs = [{ tickMs: 3000, id: "t3000", record: recordText({ task: "new:task" }), dueMs: 3000 }];
    expect(await bench.tick(2000, [3000], { ...skip, jobs })).toBe(ran);
  });

  test("lets one of several ticks run", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [2000, 3000], skip)).toBe(1);
    expect((await bench.shard()).pending["q"]).toEqual(["t2000"]);
  });
});

describe("suspend", () => {
  test("keeps the first time of a pause, and goes on from the moment of the resume", async () => {
    const bench = await scheduled();
    expect(await bench.suspend("pause")).toBe("OK");
    const paused = await stateOf(bench);
    expect(paused).toEqual([MINUTE, 1000, expect.any(Number), "", 0, ""]);
    await bench.redis.hset(bench.keys.schedules, "s", `["${MINUTE}",1000,7,"",0,""]`);
    await bench.suspend("pause");
    expect(await stateOf(bench)).toEqual([MINUTE, 1000, 7, "", 0, ""]);
    const { nowMs } = await bench.shard();
    await bench.suspend("resume");
    const [, last, since] = (await stateOf(bench)) as [string, number, number];
    expect(since).toBe(0);
    expect(last).toBeGreaterThanOrEqual(nowMs);
  });

  test("does not skip ticks of a schedule that is not paused, and finds none that is not there", async () => {
    const bench = await scheduled();
    expect(await bench.suspend("resume")).toBe("OK");
    expect(await stateOf(bench)).toEqual([MINUTE, 1000, 0, "", 0, ""]);
    expect(await bench.suspend("pause", "t")).toBe("NOTFOUND");
  });
});
