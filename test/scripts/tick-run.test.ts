// Ticks that start runs of a workflow: each in the move that settles it.
import { describe, expect, test } from "vitest";
import { parseScheduleState } from "../../runtime/protocol/index.js";
import { beginStep, newRun } from "./run-moves.js";
import { HOUR_MS, recordText, useShards, type ShardBench } from "./shard-bench.js";

const setup = useShards();
const MINUTE = "* * * * * UTC";
const skip = { overlap: "skip" } as const;
const replace = { overlap: "replace" } as const;

/** A schedule `s` whose ticks are settled up to 1000. */
async function scheduled(): Promise<ShardBench> {
  const bench = setup();
  await bench.declare({ s: MINUTE });
  await bench.redis.hset(bench.keys.schedules, "s", `["${MINUTE}",1000,0,"",0,""]`);
  return bench;
}

async function stateOf(bench: ShardBench): Promise<unknown> {
  return JSON.parse((await bench.redis.hget(bench.keys.schedules, "s")) ?? "null") as unknown;
}

const running = (bench: ShardBench): Promise<string[]> => bench.redis.zrange(bench.keys.running, "0", "-1");

/** As if the run had come to this state; with an end, as if its job had ended too. */
async function come(bench: ShardBench, run: string, state: string): Promise<void> {
  const { redis, keys } = bench;
  await redis.hset(keys.workflows, `${run} :state`, state);
  if (!state.includes(" ")) return;
  await redis.hset(keys.workflows, `${run} :open`, 0);
  await redis.zrem(keys.running, run);
  await redis.zadd(keys.ended, 5, run);
  await redis.hdel(keys.jobs, `${run}.a`);
  await redis.lrem(keys.queue("q").pending, 0, `${run}.a`);
}

async function forget(bench: ShardBench, run: string): Promise<void> {
  await come(bench, run, "completed 5 null");
  await bench.redis.hdel(bench.keys.workflows, run, `${run} :stamp`, `${run} :state`, `${run} :open`);
  await bench.redis.hincrby(bench.keys.workflows, "@w h#", -1);
  await bench.redis.zrem(bench.keys.ended, run);
}

describe("tick-run", () => {
  test("stores the run of the tick, begins its steps with a hint, and remembers how far it came", async () => {
    const bench = await scheduled();
    const record = recordText({ options: { run: "t2000" } });
    const begins = [beginStep("t2000.a", { record }), beginStep("t2000.b", { record, delayMs: HOUR_MS })];
    const listeners = ['e ["key"]\n1\nq t2000 w'];
    const start = { ...newRun, run: "t2000", timeout: undefined, begins, listeners };
    expect(await bench.tickRun(1000, 2000, { start })).toBe(1);
    const { pending, due, wake, nowMs } = await bench.shard();
    expect(pending["q"]).toEqual(["t2000.a"]);
    expect(due["q"]!["t2000.b"]).toBeGreaterThan(nowMs + HOUR_MS / 2);
    expect(wake["q"]).toEqual(["1"]);
    expect(await bench.redis.hget(bench.keys.workflows, "t2000")).toBe(start.record);
    expect(await bench.redis.hget(bench.keys.workflows, "t2000 :open")).toBe("2");
    expect(await bench.redis.zrange(bench.keys.listeners, "0", "-1")).toEqual(listeners);
    expect(await running(bench)).toEqual(["t2000"]);
    expect(await stateOf(bench)).toEqual([MINUTE, 2000, 0, "t2000", 0, ""]);
  });

  test("is done once: sent again, or by another worker, it finds that all is settled", async () => {
    const bench = await scheduled();
    expect(await bench.tickRun(1000, 2000)).toBe(1);
    expect(await bench.tickRun(1000, 2000)).toBe("MOVED");
    expect(await bench.tickRun(2000, 2000)).toBe("MOVED");
    expect((await bench.shard()).pending["q"]).toEqual(["t2000.a"]);
  });

  test("does nothing for a schedule that is gone, nor before the time of Redis", async () => {
    const bench = await scheduled();
    expect(await bench.tickRun(1000, 2000, { schedule: "t" })).toBe("MOVED");
    const { nowMs } = await bench.shard();
    expect(await bench.tickRun(1000, nowMs + HOUR_MS)).toBe("EARLY");
    expect(await running(bench)).toEqual([]);
  });

  test("of a paused schedule is skipped, and said so", async () => {
    const bench = await scheduled();
    await bench.suspend("pause");
    expect(await bench.tickRun(1000, 2000)).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 2000, expect.any(Number), "", 2000, "paused"]);
    expect(await running(bench)).toEqual([]);
  });

  test("notes what was missed, also where nothing runs", async () => {
    const bench = await scheduled();
    expect(await bench.tickRun(1000, 4000, { missedMs: 4000, start: undefined })).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 4000, 0, "", 4000, "missed"]);
    expect(await bench.tickRun(4000, 6000, { missedMs: 5000 })).toBe(1);
    expect(await stateOf(bench)).toEqual([MINUTE, 6000, 0, "t6000", 5000, "missed"]);
  });

  test("does not start a run again that is there, whatever the state says", async () => {
    const bench = await scheduled();
    await bench.tickRun(1000, 2000);
    await bench.redis.hset(bench.keys.schedules, "s", `["${MINUTE}",1000,0,"",0,""]`);
    expect(await bench.tickRun(1000, 2000)).toBe(0);
    expect((await bench.shard()).pending["q"]).toEqual(["t2000.a"]);
  });
});

describe("with overlap: skip a tick", () => {
  test.each(["", "failing", "compensating", "cancelling", "retrying"])(
    "does not run while the run before it has not ended (%s)",
    async (state) => {
      const bench = await scheduled();
      await bench.tickRun(1000, 2000, skip);
      if (state !== "") await come(bench, "t2000", state);
      expect(await bench.tickRun(2000, 3000, skip)).toBe(0);
      expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t2000", 3000, "overlap"]);
      expect(await bench.tickRun(3000, 4000)).toBe(1);
    },
  );

  test.each(["completed 5 null", 'failed 5 "why"', 'cancelled 5 "why"', "removed"])(
    "runs when the run before it has ended (%s)",
    async (state) => {
      const bench = await scheduled();
      await bench.tickRun(1000, 2000, skip);
      if (state === "removed") await forget(bench, "t2000");
      else await come(bench, "t2000", state);
      expect(await bench.tickRun(2000, 3000, skip)).toBe(1);
    },
  );

  test("does not run beside what the schedule made before a deploy: a job, and then a run", async () => {
    const bench = await scheduled();
    expect(await bench.tick(1000, [2000], skip)).toBe(1);
    await bench.claim("A", 1);
    expect(await bench.tickRun(2000, 3000, skip)).toBe(0);
    // There may be nobody left who has its task.
    await bench.fail("A", "t2000", "retry");
    expect(await bench.tickRun(3000, 4000, skip)).toBe(1);
    expect(await bench.tick(4000, [5000], skip)).toBe(0);
    await come(bench, "t4000", "completed 5 null");
    expect(await bench.tick(5000, [6000], skip)).toBe(1);
  });
});

describe("with overlap: replace a tick", () => {
  const waiting = (tick: number, last = 2000) => [MINUTE, last, 0, `t${last}`, tick, "waiting"];

  test.each(["", "failing", "compensating", "cancelling", "retrying"])(
    "waits while the run before it has not ended (%s), and runs after that",
    async (state) => {
      const bench = await scheduled();
      expect(await bench.tickRun(1000, 2000, replace)).toBe(1);
      if (state !== "") await come(bench, "t2000", state);
      for (const _again of [1, 2]) expect(await bench.tickRun(2000, 3000, replace)).toBe("WAITING");
      expect(await stateOf(bench)).toEqual(waiting(3000));
      expect(await running(bench)).toEqual(["t2000"]);
      expect(await bench.redis.hget(bench.keys.workflows, "t2000 :state")).toBe(state === "" ? null : state);
      await come(bench, "t2000", 'cancelled 5 "why"');
      expect(await bench.tickRun(2000, 3000, replace)).toBe(1);
      expect(await bench.tickRun(2000, 3000, replace)).toBe("MOVED");
      expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t3000", 0, ""]);
      expect(await running(bench)).toEqual(["t3000"]);
    },
  );

  test("that waited is skipped when a later one takes its place, and says why", async () => {
    const bench = await scheduled();
    await bench.tickRun(1000, 2000, replace);
    await bench.tickRun(2000, 3000, replace);
    expect(await bench.tickRun(2000, 5000, { ...replace, missedMs: 4000 })).toBe("WAITING");
    expect(await stateOf(bench)).toEqual(waiting(5000));
    await come(bench, "t2000", "completed 5 null");
    expect(await bench.tickRun(2000, 5000, { ...replace, missedMs: 4000 })).toBe(1);
    expect(await stateOf(bench)).toEqual([MINUTE, 5000, 0, "t5000", 4000, "overlap"]);
  });

  test("that waits is over with a pause, whether a worker looks in between or not", async () => {
    const bench = await scheduled();
    await bench.tickRun(1000, 2000, replace);
    await bench.tickRun(2000, 3000, replace);
    await bench.suspend("pause");
    expect(await bench.tickRun(2000, 3000, replace)).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, expect.any(Number), "t2000", 3000, "paused"]);
    await bench.suspend("resume");
    const { lastMs } = parseScheduleState((await bench.redis.hget(bench.keys.schedules, "s"))!);
    await bench.redis.hset(bench.keys.schedules, "s", JSON.stringify(waiting(3000)));
    await bench.suspend("pause");
    await bench.suspend("resume");
    expect(await stateOf(bench)).toEqual([MINUTE, expect.any(Number), 0, "t2000", 3000, "paused"]);
    expect(lastMs).toBeGreaterThan(3000);
  });

  test("is settled as another says, by a deploy that skips, allows, or makes jobs", async () => {
    const bench = await scheduled();
    const state = JSON.stringify(waiting(3000));
    await bench.tickRun(1000, 2000, replace);
    await bench.redis.hset(bench.keys.schedules, "s", state);
    expect(await bench.tickRun(2000, 3000, skip)).toBe(0);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t2000", 3000, "overlap"]);
    await bench.redis.hset(bench.keys.schedules, "s", state);
    expect(await bench.tickRun(2000, 3000)).toBe(1);
    expect(await stateOf(bench)).toEqual([MINUTE, 3000, 0, "t3000", 0, ""]);
    await bench.redis.hset(bench.keys.schedules, "s", state);
    expect(await bench.tick(2000, [4000], { overlap: "replace" })).toBe(1);
    expect(await stateOf(bench)).toEqual([MINUTE, 4000, 0, "t4000", 0, ""]);
  });

  test("waits for the end of a job that the schedule made before a deploy", async () => {
    const bench = await scheduled();
    await bench.tick(1000, [2000]);
    expect(await bench.tickRun(2000, 3000, replace)).toBe("WAITING");
    await bench.cancel("t2000");
    expect(await bench.tickRun(2000, 3000, replace)).toBe(1);
  });
});
