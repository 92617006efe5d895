// A workflow run, played script by script: a step, a second that fans out, and a third that waits for both and a minute.
import { expect } from "vitest";
import {
  encodeRunEnd,
  encodeRunRecord,
  encodeStepOutcome,
  type BeginStep,
  type StepEnd,
} from "../../runtime/protocol/index.js";
import {
  awaitRun,
  endRun,
  forgetRun,
  settleSteps,
  startRun,
  storeItems,
  type ScriptRunner,
  type StartRunCall,
} from "../../runtime/scripts/index.js";
import { recordText, type ShardBench } from "./shard-bench.js";

const OUTCOME = encodeStepOutcome({ status: "completed", at: 1, detail: 7 });

/** A step of a task without limits that may begin while the run goes on. */
export function beginStep(id: string, options: Partial<BeginStep> = {}): BeginStep {
  return { step: "", need: 0, id, queue: "q", delayMs: 0, limit: "", record: recordText(), ...options };
}

/** The end of a job that belongs to no step; its run's job that decides goes to the same queue. */
export function stepEnd(
  id: string,
  { queue = "q", ...options }: Partial<StepEnd> & { readonly queue?: string } = {},
): StepEnd {
  return {
    id,
    endsJob: true,
    run: "r",
    step: "",
    outcome: OUTCOME,
    state: "",
    itemOf: undefined,
    decider: beginStep("r:end", { queue }),
    begins: [],
    ...options,
  };
}

export const newRun: Omit<StartRunCall, "keys" | "begins"> = {
  run: "r",
  record: encodeRunRecord({ workflow: "w", hash: "h", startedAt: 1, key: "r:key", input: {} }),
  definition: { field: "@w h", text: "[]" },
  key: "r:key",
  keyTtlMs: 1000,
};

/** Every script of runs does its work once, through `runner`. */
export async function playRun(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  const { keys } = bench;
  const worker = "runs";
  const start = { ...newRun, keys, begins: [beginStep("r:a", { limit: "1 q a:task " })] };
  expect(await startRun(runner, start)).toEqual({ id: "r", known: undefined });
  expect(await startRun(runner, start)).toEqual({ id: "r", known: newRun.record });
  expect(await startRun(runner, { ...start, run: "other" })).toEqual({ id: "r", known: newRun.record });
  expect(await awaitRun(runner, { keys, id: "r", client: "c" })).toBe("WAITING");

  expect(await bench.claim(worker, 1)).toEqual(["r:a"]);
  const fields = ["r b.0*", "0", "r b.1*", "1"];
  expect(await storeItems(runner, { keys, worker, id: "r:a", fields })).toBe("STORED");
  const items = [0, 1].map((index) => beginStep(`r:b.${index}`));
  const joined = beginStep("r:c", { step: "c", need: 2, delayMs: 60_000 });
  const first = stepEnd("r:a", { step: "a", begins: [...items, joined] });
  expect(await settleSteps(runner, { keys, worker, ends: [first] })).toBe(2);
  expect(await settleSteps(runner, { keys, worker, ends: [first] })).toBe(0);

  expect(await bench.claim(worker, 2)).toEqual(["r:b.0", "r:b.1"]);
  const itemOf = { step: "b", total: 2 };
  const ends = [0, 1].map((index) =>
    stepEnd(`r:b.${index}`, { step: `b.${index}`, itemOf, begins: [joined] }),
  );
  expect(await settleSteps(runner, { keys, worker, ends })).toBe(1);

  await bench.redis.zadd(keys.queue("q").due, "XX", 1, "r:c");
  expect(await bench.claim(worker, 1)).toEqual(["r:c"]);
  const last = stepEnd("r:c", { step: "c" });
  expect(await settleSteps(runner, { keys, worker, ends: [last] })).toBe(1);

  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  const end = encodeRunEnd({ state: "completed", at: 2, detail: 7 });
  const ending = { keys, worker, id: "r:end", run: "r", end, keepMs: 0, key: "r:key" };
  expect(await endRun(runner, ending)).toBe("ENDED");
  expect(await awaitRun(runner, { keys, id: "r", client: "c" })).toEqual({
    record: newRun.record,
    state: end,
  });
  const known = await bench.redis.hkeys(keys.workflows);
  await forgetRun(runner, { keys, run: "r", isLast: true, fields: known });
  expect(await bench.redis.exists(keys.workflows, keys.ended)).toBe(0);
}
