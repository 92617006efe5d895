/** What an operator may do to workflow runs. State moves are scripts; here stands what their answers mean. */
import { TaskweftError } from "../errors.js";
import { begunJob, encodeStepOutcome, parseRunEnd, parseStepOutcome, runFields } from "../protocol/index.js";
import { cancelRun, retryRun, type RetryRunCall } from "../scripts/index.js";
import { stepJobId, WorkflowGraph } from "../workflow/index.js";
import { readFields, readRun, readSteps, runUnknown, type StoredRun } from "./run-reads.js";
import type { RunState } from "./run-types.js";
import type { ShardReader } from "./shard-reader.js";

/** Jobs of one call, and ids of one read: a run may have 100,000, and no command may hold Redis for long. */
const JOB_CHUNK = 200;
/** As many as results of handlers may have where nobody says otherwise. */
const MAX_RESULT_CHARACTERS = 1_048_576;

/**
 * The run begins nothing more. What runs is stopped, what waits ends, and what has completed is undone. Gives the state of the
 * run, which goes on to its end: `cancelling`; or `failing` or `compensating` where it was that already.
 */
export async function cancelOneRun(reader: ShardReader, id: string): Promise<RunState> {
  const { connection, keys } = reader;
  const run = await readRun(reader, id, "cancelRun");
  const state = assertGoesOn(await cancelRun(connection, { keys, run: id, jobs: [] }), id);
  // From here on nothing new begins, so that what is found now is all there is.
  for await (const jobs of liveJobs(reader, run)) {
    if (jobs.length > 0) await cancelRun(connection, { keys, run: id, jobs });
  }
  return state;
}

/** Lets a run that has failed or was cancelled go on from the steps that did not complete, or were undone. */
export async function retryOneRun(reader: ShardReader, id: string): Promise<void> {
  await goOn(reader, await readRun(reader, id, "retryRun"), "retryRun", undefined);
}

/** The same, with a step (or an item of a fan-out, `<step>.<index>`) that has completed with this result instead of failing. */
export async function skipStep(
  reader: ShardReader,
  id: string,
  name: string,
  result: unknown,
): Promise<void> {
  const run = await readRun(reader, id, "skipStep");
  const { stepName, item } = await assertSkippable(reader, run, name);
  const text = (JSON.stringify(result) as string | undefined) ?? "null";
  if (text.length > MAX_RESULT_CHARACTERS) {
    throw new TaskweftError(
      "OptionInvalid",
      `result: expected at most ${MAX_RESULT_CHARACTERS} characters of JSON, got ${text.length}`,
      { operation: "skipStep" },
    );
  }
  const at = await reader.now();
  const outcome = encodeStepOutcome({ status: "completed", at, detail: result ?? null });
  await goOn(reader, run, "skipStep", { step: name, outcome, itemOf: item === undefined ? "" : stepName });
}

async function goOn(
  reader: ShardReader,
  run: StoredRun,
  operation: string,
  skip: RetryRunCall["skip"],
): Promise<void> {
  const { connection, keys } = reader;
  const { id, definition, record } = run;
  const end = assertEnded(run, operation);
  const { decider } = new WorkflowGraph(definition);
  const { queue, record: deciderRecord } = begunJob(decider, id, await reader.now());
  const reply = await retryRun(connection, {
    keys,
    run: id,
    queue,
    end,
    key: record.key,
    record: deciderRecord,
    skip,
  });
  if (reply === "RETRIED") return;
  if (reply === "NOTFOUND") throw runUnknown(id, operation);
  if (reply === "MOVED") throw conflict(operation, `the run ${id} has moved on meanwhile. Look at it again`);
  throw conflict(
    operation,
    `the run ${id} cannot go on: its idempotency key belongs to the run ${reply.keyOwner} by now. Look at that run instead`,
  );
}

function assertEnded({ id, stateText }: StoredRun, operation: string): string {
  const state = parseRunEnd(stateText)?.state ?? stateText ?? "running";
  if (stateText !== null && (state === "failed" || state === "cancelled")) return stateText;
  throw conflict(
    operation,
    `the run ${id} is ${state}: only runs that have failed or were cancelled can go on again`,
  );
}

async function assertSkippable(
  reader: ShardReader,
  run: StoredRun,
  name: string,
): Promise<{ readonly stepName: string; readonly item: number | undefined }> {
  const [stepName = "", index] = name.split(".");
  const step = run.definition.steps.find((one) => one.name === stepName);
  const item = index === undefined ? undefined : Number(index);
  if (step === undefined || (item !== undefined && step.forEach === undefined)) {
    const names = run.definition.steps.map((one) => one.name).join(", ");
    throw new TaskweftError("OptionInvalid", `step: the run ${run.id} has no ${name}. Steps: ${names}`, {
      operation: "skipStep",
    });
  }
  assertEnded(run, "skipStep");
  if (step.forEach !== undefined && item === undefined) {
    throw conflict("skipStep", `step ${name} goes over a list: skip its items one by one, as ${name}.0`);
  }
  const [text = null] = await readFields(reader, [runFields.step(run.id, name)]);
  const status = text === null ? "not begun" : parseStepOutcome(text).status;
  const passed = step.onFailure === "continue" && status === "failed";
  if (status !== "cancelled" && (status !== "failed" || passed)) {
    const why = passed ? "failed, and the run went on without it" : status;
    throw conflict(
      "skipStep",
      `step ${name} is ${why}: only one that keeps its run from going on can be skipped`,
    );
  }
  return { stepName, item };
}

function conflict(operation: string, message: string): TaskweftError {
  return new TaskweftError("StateConflict", message, { operation });
}

function assertGoesOn(reply: string, id: string): RunState {
  if (reply === "NOTFOUND") throw runUnknown(id, "cancelRun");
  const end = parseRunEnd(reply);
  if (end === undefined) return reply as RunState;
  throw conflict(
    "cancelRun",
    `the run ${id} has ended already: it is ${end.state}. There is nothing to cancel`,
  );
}

interface FoundJob {
  readonly id: string;
  readonly queue: string;
}

/** Jobs of steps that have not ended, a part of them at a time; without those that undo, which nothing must stop. */
async function* liveJobs(reader: ShardReader, run: StoredRun): AsyncGenerator<readonly FoundJob[]> {
  const facts = await readSteps(reader, run);
  let ids: string[] = [];
  for (const { name, forEach } of run.definition.steps) {
    const { outcome, items = 0 } = facts.get(name)!;
    if (outcome === undefined) ids.push(stepJobId(run.id, name));
    // A fan-out has failed with its first item, while others run.
    if (forEach === undefined || outcome?.status === "completed") continue;
    for (let index = 0; index < items; index++) {
      ids.push(stepJobId(run.id, name, index));
      if (ids.length === JOB_CHUNK) yield await existing(reader, ids.splice(0));
    }
  }
  for (; ids.length > 0; ids = ids.slice(JOB_CHUNK)) yield await existing(reader, ids.slice(0, JOB_CHUNK));
}

async function existing(reader: ShardReader, ids: readonly string[]): Promise<readonly FoundJob[]> {
  const jobs = await reader.jobs(ids);
  return jobs.map(({ id, record }) => ({ id, queue: record.queue }));
}
