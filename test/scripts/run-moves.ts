// A workflow run, played script by script: a step, a second that fans out, and a third that waits for both and a minute.
import { expect } from "vitest";
import {
  encodeRunEnd,
  encodeRunRecord,
  encodeStepOutcome,
  parseHeard,
  type BegunJob,
  type JobMold,
  recordMold,
  type ShardKeys,
  type StepBegin,
  type StepEnd,
} from "../../runtime/protocol/index.js";
import {
  awaitRun,
  cancelRun,
  type EndedRun,
  endRuns,
  expireRun,
  followRun,
  type FollowRunCall,
  forgetRuns,
  keepRun,
  resumeRun,
  type ResumeRunCall,
  retryRun,
  type RetryRunCall,
  settleSteps,
  type RunToStart,
  startRuns,
  storeItems,
  tell,
  waitStep,
  type ScriptRunner,
} from "../../runtime/scripts/index.js";
import { recordText, type ShardBench } from "./shard-bench.js";

const OUTCOME = encodeStepOutcome({ status: "completed", at: 1, detail: 7 });

/** A job of a task without limits that begins. */
export function beginStep(id: string, options: Partial<BegunJob> = {}): BegunJob {
  return { id, queue: "q", delayMs: 0, limit: "", record: recordText(), ...options };
}

/** A job of the run `r`, of a task without limits, that may begin while the run goes on. */
function mayBegin(id: string, options: Partial<JobMold & StepBegin> = {}): StepBegin {
  const { need = 0, item, ...mold } = options;
  const text = recordMold("a:task", "q", "12345678", { workflow: "w h" });
  const all = { step: "", suffix: id.slice(1), queue: "q", delayMs: 0, limit: "", ...text, ...mold };
  return { mold: all, need, ...(item === undefined ? {} : { item }) };
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
    hasten: [],
    itemOf: undefined,
    decider: mayBegin("r:end", { queue }).mold,
    finale: "",
    begins: [],
    ...options,
  };
}

export const newRun: Omit<RunToStart, "begins"> = {
  run: "r",
  record: encodeRunRecord({ workflow: "w", hash: "h", startedAt: 1, key: "r:key", input: {} }),
  definition: { field: "@w h", text: "[]" },
  key: "r:key",
  keyTtlMs: 1000,
  timeout: beginStep("r:timeout", { delayMs: 60_000 }),
  listeners: ['e ["x"]\n1\nq r a', 'e ["x"]\n1\nq r c'],
};

/** A last part that changes nothing. */
export const resumption: Omit<ResumeRunCall, "begins" | "keys" | "worker"> = {
  id: "r:end",
  run: "r",
  isLast: true,
  removed: [],
  renamed: new Map(),
  dropped: [],
  keepsNotes: false,
  queues: [],
  written: new Map(),
  timeout: undefined,
  listeners: ["listener"],
};

export const retrial: Omit<RetryRunCall, "keys" | "queue"> = {
  run: "r",
  end: encodeRunEnd({ state: "cancelled", at: 2, detail: "the run was cancelled" }),
  key: "r:key",
  record: recordText(),
  skip: undefined,
};

export const endRun = async (
  runner: ScriptRunner,
  { keys, worker, ...end }: EndedRun & { readonly keys: ShardKeys; readonly worker: string },
): Promise<unknown> => (await endRuns(runner, { keys, worker, ends: [end] }))[0];

export const startRun = async (
  runner: ScriptRunner,
  { keys, ...start }: RunToStart & { readonly keys: ShardKeys },
): Promise<unknown> => (await startRuns(runner, { keys, starts: [start] }))[0];

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
  const items = [0, 1].map((item) => mayBegin("r:b", { item }));
  const joined = mayBegin("r:c", { step: "c", need: 2, delayMs: 60_000 });
  const first = stepEnd("r:a", { step: "a", begins: [...items, joined] });
  expect(await settleSteps(runner, { keys, worker, ends: [first] })).toMatchObject({ begun: 2 });
  expect(await settleSteps(runner, { keys, worker, ends: [first] })).toMatchObject({ begun: 0 });

  expect(await bench.claim(worker, 2)).toEqual(["r:b.0", "r:b.1"]);
  const itemOf = { step: "b", total: 2 };
  const ends = [0, 1].map((index) =>
    stepEnd(`r:b.${index}`, { step: `b.${index}`, itemOf, begins: [joined] }),
  );
  expect(await settleSteps(runner, { keys, worker, ends })).toMatchObject({ begun: 1 });

  await bench.redis.zadd(keys.queue("q").due, "XX", 1, "r:c");
  expect(await bench.claim(worker, 1)).toEqual(["r:c"]);
  // The jobs of this run are named as those of another one would be: an event only adds to what is known of them.
  const waiting = { keys, worker, id: "r:c", run: "r", step: "c", queue: "q", timeoutMs: 60_000 };
  expect(await waitStep(runner, { ...waiting, heard: "" })).toBe("WAITING");
  expect(await waitStep(runner, { ...waiting, heard: "" })).toBe("GONE");
  const event = { keys, id: "event", payload: '{"x":1}', head: 'e ["x"]\n1\n', behind: undefined };
  for (const queues of [[], ["q"], ["q"]]) {
    const missingQueues = queues.length === 0 ? ["q"] : [];
    const runs = queues.length === 0 ? [] : ["r"];
    expect(await tell(runner, { ...event, queues })).toEqual({
      runs,
      jobs: [],
      missingQueues,
      last: undefined,
    });
  }
  await bench.redis.zadd(keys.queue("q").due, "XX", 1, "r:c");
  expect(await bench.claim(worker, 1)).toEqual(["r:c"]);
  expect(await waitStep(runner, { ...waiting, heard: "" })).toBe("AGAIN");
  const heard = (await bench.redis.hget(keys.workflows, "r c!")) ?? "";
  expect(parseHeard(heard)).toEqual([{ x: 1 }]);
  await bench.redis.hset(keys.workflows, "r c?", 1);
  expect(await waitStep(runner, { ...waiting, heard })).toBe("OVER");
  const last = stepEnd("r:c", { step: "c" });
  expect(await settleSteps(runner, { keys, worker, ends: [last] })).toMatchObject({ begun: 1 });

  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  const end = encodeRunEnd({ state: "completed", at: 2, detail: 7 });
  const ending = {
    keys,
    worker,
    id: "r:end",
    run: "r",
    end,
    keepMs: 0,
    key: "r:key",
    queue: "q",
    timeout: "r:timeout",
    state: "",
    parent: undefined,
    listeners: newRun.listeners,
  };
  expect(await endRun(runner, { ...ending, state: "cancelling" })).toBe("MOVED");
  expect(await endRun(runner, ending)).toBe("ENDED");
  expect(await awaitRun(runner, { keys, id: "r", client: "c" })).toEqual({
    record: newRun.record,
    state: end,
  });
  const known = await bench.redis.hkeys(keys.workflows);
  await bench.redis.zadd(keys.dead, 1, "r.x");
  await bench.redis.hset(keys.jobs, "r.x", recordText());
  await forgetRuns(runner, {
    keys,
    parts: [{ run: "r", isLast: true, owner: "r", fields: known, jobs: ["r.x", "r.y"] }],
  });
  expect(await bench.redis.exists(keys.dead, keys.jobs)).toBe(0);
  expect(await bench.redis.exists(keys.workflows, keys.ended, keys.listeners)).toBe(0);
  await playTimeout(bench, runner);
  await playCancel(bench, runner);
}

/** The step `a` of the run `r`, which is a run. */
export const ofFollowing: Omit<FollowRunCall, "action" | "keys" | "worker"> = {
  id: "r.a",
  parent: "r",
  queue: "q",
  step: "a",
  run: "r.a-1",
  lookMs: 60_000,
};

/** A run that is cancelled while a step runs, one waits for a time, and one at the gate: nothing of it waits any longer. */
async function playCancel(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  const { keys } = bench;
  const limit = "1 q a:task ";
  const begins = [
    beginStep("r.a", { limit }),
    beginStep("r.b", { delayMs: 60_000 }),
    beginStep("r.c", { limit }),
  ];
  const { mold: stopper } = mayBegin("r.:stop");
  const cancel = { keys, run: "r", stopper, jobs: [] };
  expect(await cancelRun(runner, cancel)).toBe("NOTFOUND");
  await startRun(runner, { ...newRun, keys, begins, timeout: undefined });
  expect(await bench.claim("runs", 1)).toEqual(["r.a"]);
  const jobs = ["r.a", "r.b", "r.c"].map((id) => ({ id, queue: "q" }));
  const stopping = { ...cancel, stopper: undefined, jobs };
  expect(await cancelRun(runner, stopping)).toBe("RUNNING");
  for (const _again of [1, 2]) expect(await cancelRun(runner, cancel)).toBe("cancelling");
  for (const _again of [1, 2]) expect(await cancelRun(runner, stopping)).toBe("cancelling");
  const shard = await bench.shard();
  expect([shard.cancels, shard.due, shard.waiting]).toEqual([["r.a"], {}, []]);
  expect(shard.pending).toEqual({ q: ["r.:stop", "r.b", "r.c"] });
  expect(await bench.redis.hget(keys.workflows, "r :open")).toBe("4");
  expect(await bench.claim("runs", 3)).toEqual(["r.:stop", "r.b", "r.c"]);
  const outcome = encodeStepOutcome({ status: "cancelled", at: 1, detail: null });
  const stops = ["a", "b", "c"].map((step) => stepEnd(`r.${step}`, { step, outcome }));
  const ends = [stepEnd("r.:stop"), ...stops];
  expect(await settleSteps(runner, { keys, worker: "runs", ends })).toMatchObject({ begun: 1 });
  // Where a job decides, there is nothing to stop.
  expect(await cancelRun(runner, cancel)).toBe("cancelling");
  expect((await bench.shard()).pending).toEqual({ q: ["r:end"] });
  expect(await bench.claim("runs", 1)).toEqual(["r:end"]);
  const end = encodeRunEnd({ state: "cancelled", at: 2, detail: "the run was cancelled" });
  const ofRun = { keys, worker: "runs", id: "r:end", run: "r", queue: "q" };
  const rest = { timeout: "", parent: undefined, listeners: newRun.listeners };
  const ending = { ...ofRun, end, keepMs: 0, key: "r:key", ...rest };
  expect(await endRun(runner, { ...ending, state: "cancelling" })).toBe("ENDED");
  expect(await cancelRun(runner, cancel)).toBe(end);
  await playRetry(bench, runner);
  await forgetRuns(runner, {
    keys,
    parts: [
      { run: "r", isLast: true, owner: "r", fields: await bench.redis.hkeys(keys.workflows), jobs: [] },
    ],
  });
}

/** A run that was cancelled goes on, but for a step that is skipped. */
async function playRetry(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  const { keys, redis } = bench;
  const worker = "runs";
  const skip = { step: "b", outcome: OUTCOME, itemOf: "each" };
  const call = { ...retrial, keys, queue: "q" };
  await redis.zadd(keys.ended, "XX", 9_999_999_999_999, "r");
  expect(await retryRun(runner, { ...call, end: "failed 2 null" })).toBe("MOVED");
  await redis.hset(keys.keys, "r:key", "other");
  expect(await retryRun(runner, call)).toEqual({ keyOwner: "other" });
  await redis.hdel(keys.keys, "r:key");
  expect(await retryRun(runner, { ...call, skip })).toBe("RETRIED");
  expect(await retryRun(runner, { ...call, skip })).toBe("RETRIED");
  expect(await redis.hmget(keys.workflows, "r b", "r each*#", "r :open")).toEqual([OUTCOME, "1", "1"]);

  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  const part = { ...resumption, keys, worker, queues: ["q"], begins: [] };
  const some = { ...part, isLast: false, removed: ["r a"], dropped: ["r.x"] };
  expect(await resumeRun(runner, some)).toBe("RESUMED");
  const [renamed, written] = [new Map([["r b", "r b="]]).set("r d", "r d="), new Map([["r c#", 1]])];
  const last = { ...part, removed: ["r c"], renamed, written, begins: [beginStep("r.a")] };
  expect(await resumeRun(runner, last)).toBe("RESUMED");
  expect(await resumeRun(runner, last)).toBe("GONE");
  const fields = ["r a", "r b", "r b=", "r c", "r c#", "r :open", "r :state"];
  expect(await redis.hmget(keys.workflows, ...fields)).toEqual([null, null, OUTCOME, null, "1", "1", null]);
  expect(await bench.claim(worker, 1)).toEqual(["r.a"]);
  const ends = [stepEnd("r.a", { step: "a" })];
  expect(await settleSteps(runner, { keys, worker, ends })).toMatchObject({ begun: 1 });
  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  expect(await resumeRun(runner, last)).toBe("MOVED");
  const ending = { keys, worker, id: "r:end", run: "r", end: "completed 3 null", keepMs: 0, key: "" };
  expect(await redis.zrange(keys.listeners, 0, "-1")).toEqual(["listener"]);
  const rest = { queue: "q", timeout: "", parent: undefined, listeners: ["listener"], state: "" };
  expect(await endRun(runner, { ...ending, ...rest })).toBe("ENDED");
}

/** A run whose time is over while it waits: the wait is hastened, and the run has failed. */
async function playTimeout(bench: ShardBench, runner: ScriptRunner): Promise<void> {
  const { keys } = bench;
  const [worker, id] = ["runs", "r:timeout"];
  const begins = [beginStep("r:a", { delayMs: 60_000 })];
  expect(await startRun(runner, { ...newRun, keys, begins })).toEqual({ id: "r", known: undefined });
  await bench.redis.zadd(keys.queue("q").due, "XX", 1, id);
  expect(await bench.claim(worker, 1)).toEqual([id]);
  const over = {
    keys,
    worker,
    id,
    run: "r",
    state: "failing",
    waits: [
      { id: "r:a", queue: "q" },
      { id: "r:b", queue: "q" },
    ],
  };
  expect(await expireRun(runner, over)).toBe("EXPIRED");
  expect(await expireRun(runner, over)).toBe("GONE");
  expect(await bench.redis.hget(keys.workflows, "r :state")).toBe("failing");
  expect(await bench.claim(worker, 1)).toEqual(["r:a"]);
  const later = { step: "b", need: 0 };
  const cancelled = stepEnd("r:a", { step: "a", begins: [mayBegin("r:b", later)] });
  expect(await settleSteps(runner, { keys, worker, ends: [cancelled] })).toMatchObject({ begun: 1 });
  expect(await bench.claim(worker, 1)).toEqual(["r:end"]);
  const end = encodeRunEnd({ state: "failed", at: 2, detail: "" });
  await endRun(runner, {
    keys,
    worker,
    id: "r:end",
    run: "r",
    end,
    keepMs: 0,
    key: "r:key",
    queue: "q",
    timeout: id,
    state: "failing",
    parent: undefined,
    listeners: newRun.listeners,
  });
  await forgetRuns(runner, {
    keys,
    parts: [
      { run: "r", isLast: true, owner: "r", fields: await bench.redis.hkeys(keys.workflows), jobs: [] },
    ],
  });
}

type Calls = Readonly<Record<string, (runner: ScriptRunner) => Promise<unknown>>>;

/** One call of every script of runs. */
export function runCalls(keys: ShardKeys, queues: readonly [string, ...string[]]): Calls {
  const worker = { keys, worker: "A" };
  const [queue] = queues;
  const ofRun = { ...worker, run: "r", queue };
  const end = { end: "completed 1 null", keepMs: 1, key: "", timeout: "r:timeout", state: "", listeners: [] };
  const parent = { job: "p.a", queue };
  const begins = queues.map((name) => beginStep("j", { queue: name }));
  const event = { keys, id: "e", payload: "{}", head: 'e ["x"]\n1\n', behind: undefined, queues };
  return {
    "await-run": (runner) => awaitRun(runner, { keys, id: "r", client: "c" }),
    "cancel-run": (runner) =>
      cancelRun(runner, {
        keys,
        run: "r",
        stopper: mayBegin("r.:stop", { queue }).mold,
        jobs: queues.map((name) => ({ id: "r.a", queue: name })),
      }),
    "end-run": (runner) =>
      endRuns(runner, {
        ...worker,
        ends: queues.map((name) => ({ ...end, parent, run: "r", queue: name, id: "r:end" })),
      }),
    "expire-run": (runner) =>
      expireRun(runner, {
        ...ofRun,
        id: "r:timeout",
        state: "failing",
        waits: queues.map((name) => ({ id: "r.a", queue: name })),
      }),
    "forget-run": (runner) =>
      forgetRuns(runner, { keys, parts: [{ run: "r", isLast: true, owner: "r", fields: [], jobs: [] }] }),
    "follow-run": (runner) =>
      followRun(runner, {
        ...ofFollowing,
        ...worker,
        queue,
        action: { kind: "start", parent: "r 1 q a", start: { ...newRun, begins, timeout: undefined } },
      }),
    "keep-run": (runner) => keepRun(runner, { keys, run: "r.a-1", parent: "r", keepMs: 1 }),
    "resume-run": (runner) => resumeRun(runner, { ...worker, ...resumption, begins }),
    "retry-run": (runner) => retryRun(runner, { ...retrial, keys, queue }),
    "settle-steps": (runner) =>
      settleSteps(runner, { ...worker, ends: queues.map((name) => stepEnd("j", { queue: name })) }),
    "start-run": (runner) => startRuns(runner, { keys, starts: [{ ...newRun, begins, timeout: undefined }] }),
    "store-items": (runner) => storeItems(runner, { ...worker, id: "j", fields: [] }),
    tell: (runner) => tell(runner, event),
    "wait-step": (runner) => waitStep(runner, { ...ofRun, id: "r.a", step: "a", timeoutMs: 1, heard: "" }),
  };
}
