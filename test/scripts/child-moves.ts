// A run that is a step of another, played script by script.
import { expect } from "vitest";
import { encodeRunEnd } from "../../runtime/protocol/index.js";
import {
  followRun,
  forgetRuns,
  keepRun,
  type ScriptRunner,
  settleSteps,
} from "../../runtime/scripts/index.js";
import { beginStep, endRun, newRun, ofFollowing, startRun, stepEnd } from "./run-moves.js";
import { recordText, type ShardBench } from "./shard-bench.js";

/** A step that is a run: started once, it ends badly, goes on with its parent and completes, and is kept and removed with that. */
export async function playChild(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  const { keys, redis } = bench;
  const worker = "runs";
  const follow = { ...ofFollowing, keys, worker };
  const [own, inner] = [
    { ...newRun, key: "", timeout: undefined },
    { ...newRun, run: "r.a-1", listeners: [] },
  ];
  const start = { ...inner, timeout: undefined, begins: [beginStep("r.a-1.x")] };
  const starting = { kind: "start", parent: "r 1 q a", start } as const;
  const [waiting, retrying] = [
    { kind: "wait" },
    { kind: "retry", queue: "q", decider: recordText() },
  ] as const;
  await startRun(runner, { ...own, keys, begins: [beginStep("r.a")] });
  expect(await bench.claim(worker, 1)).toEqual(["r.a"]);
  for (const action of [waiting, retrying])
    expect(await followRun(runner, { ...follow, action })).toBe("AGAIN");
  await redis.hset(keys.workflows, "r :state", "cancelling");
  expect(await followRun(runner, { ...follow, action: starting })).toBe("AGAIN");
  expect(await redis.hexists(keys.workflows, "r.a-1")).toBe(0);
  await redis.hdel(keys.workflows, "r :state");
  expect(await followRun(runner, { ...follow, action: starting })).toBe("WAITING");
  expect(await followRun(runner, { ...follow, action: starting })).toBe("GONE");
  expect(await redis.hmget(keys.workflows, "r.a-1", "r.a-1 :parent", "r.a-1 :open")).toEqual([
    newRun.record,
    "r 1 q a",
    "1",
  ]);
  const parent = { job: "r.a", queue: "q" };
  const rest = { keepMs: 0, key: "", queue: "q", timeout: "", state: "", listeners: [], parent };
  const ending = { ...rest, keys, worker, id: "r.a-1:end", run: "r.a-1" };
  expect(await bench.claim(worker, 1)).toEqual(["r.a-1.x"]);
  await settleSteps(runner, { keys, worker, ends: [stepEnd("r.a-1.x", { run: "r.a-1", step: "x" })] });
  expect(await bench.claim(worker, 1)).toEqual(["r.a-1:end"]);
  const failed = encodeRunEnd({ state: "failed", at: 2, detail: "step x failed" });
  expect(await endRun(runner, { ...ending, end: failed })).toBe("ENDED");
  expect(await bench.claim(worker, 1)).toEqual(["r.a"]);
  for (const action of [waiting, starting, retrying])
    expect(await followRun(runner, { ...follow, action })).toBe("AGAIN");
  await redis.hset(keys.workflows, "r a%", 1);
  expect(await followRun(runner, { ...follow, action: retrying })).toBe("WAITING");
  expect(await redis.hmget(keys.workflows, "r.a-1 :state", "r a%")).toEqual(["retrying", null]);
  expect(await redis.zscore(keys.ended, "r.a-1")).toBe(null);
  expect(await bench.claim(worker, 1)).toEqual(["r.a-1:end"]);
  const completed = encodeRunEnd({ state: "completed", at: 3, detail: 7 });
  // Its parent's job has been claimed to look meanwhile, and waits on.
  await redis.zadd(keys.queue("q").due, "XX", 1, "r.a");
  expect(await bench.claim(worker, 1)).toEqual(["r.a"]);
  expect(await followRun(runner, { ...follow, action: waiting })).toBe("WAITING");
  expect(await endRun(runner, { ...ending, state: "retrying", end: completed })).toBe("ENDED");
  expect(await bench.claim(worker, 1)).toEqual(["r.a"]);
  await settleSteps(runner, { keys, worker, ends: [stepEnd("r.a", { step: "a" })] });
  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  const last = {
    ...ending,
    id: "r:end",
    run: "r",
    key: "r:key",
    listeners: newRun.listeners,
    parent: undefined,
  };

  const removal = { isLast: true, owner: "r", jobs: [] };
  expect(await keepRun(runner, { keys, run: "r.a-1", parent: "gone", keepMs: 60_000 })).toBe("FREE");
  expect(await keepRun(runner, { keys, run: "r.a-1", parent: "r", keepMs: 60_000 })).toBe("KEPT");
  await forgetRuns(runner, { keys, parts: [{ ...removal, run: "r.a-1", fields: ["r.a-1"] }] });
  expect(await redis.hexists(keys.workflows, "r.a-1")).toBe(1);
  await endRun(runner, { ...last, end: completed });
  const fields = await redis.hkeys(keys.workflows);
  const ofChild = fields.filter((one) => one.startsWith("r.a-1"));
  await forgetRuns(runner, {
    keys,
    parts: [
      { ...removal, run: "r.a-1", fields: ofChild },
      { ...removal, run: "r", fields },
    ],
  });
  expect(await redis.exists(keys.workflows, keys.ended, keys.running, keys.jobs)).toBe(0);
}
