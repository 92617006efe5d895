/** What an operator may do to workflow runs. Scripts change the state; this file interprets their replies. */
import { cancelRun, runUnknown } from "../cancel.js";
import { TaskweftError } from "../errors.js";
import {
  begunJob,
  encodeStepOutcome,
  parseRunEnd,
  parseRunParent,
  parseStepOutcome,
  runFields,
} from "../protocol/index.js";
import { retryRun, type RetryRunCall } from "../scripts/index.js";
import { goesOnWithout, goesOnWithoutItem, WorkflowGraph } from "../workflow/index.js";
import { stepPlace } from "./run-list.js";
import { readFields, readRun, type StoredRun } from "./run-reads.js";
import type { RunState } from "./run-types.js";
import type { ShardReader } from "./shard-reader.js";

/** The default limit for results of handlers. */
const MAX_RESULT_CHARACTERS = 1_048_576;

/** Makes the run begin nothing more. It becomes `cancelling`, or stays `failing` or `compensating`. */
export async function cancelOneRun(reader: ShardReader, id: string): Promise<RunState> {
  return await cancelRun(reader.connection, reader.keys, id);
}

/** Resumes a failed or cancelled run at the steps that did not complete or were compensated. */
export async function retryOneRun(reader: ShardReader, id: string): Promise<void> {
  await goOn(reader, await readRun(reader, id, "retryRun"), "retryRun", undefined);
}

/** Like `retryOneRun`, with a result for a failed step, or for an item of a fan-out (`<step>.<index>`). */
export async function skipStep(
  reader: ShardReader,
  id: string,
  name: string,
  result: unknown,
): Promise<void> {
  const run = await readRun(reader, id, "skipStep");
  assertOwn(run, "skipStep");
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
  assertOwn(run, operation);
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

/** A child run is resumed with its parent, which would not learn of a retry of its own. */
function assertOwn({ id, parentText }: StoredRun, operation: string): void {
  const parent = parseRunParent(parentText);
  if (parent === undefined) return;
  const place = stepPlace(parent);
  const instead =
    operation === "skipStep"
      ? `weft runs skip ${parent.run} ${place} RESULT, with what the whole run ${id} should have given`
      : `weft runs retry ${parent.run}, with which this run goes on`;
  throw conflict(operation, `the run ${id} is the step ${place} of the run ${parent.run}: call ${instead}`);
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
  const [own, kept = null] = await readFields(reader, [
    runFields.step(run.id, name),
    runFields.kept(run.id, name),
  ]);
  const text = own ?? kept;
  const status = text === null ? "not begun" : parseStepOutcome(text).status;
  // A failed item that the run tolerates is already counted; counting it again would end its step before the
  // last item has ended.
  const goesOn = item === undefined ? goesOnWithout(step) : goesOnWithoutItem(step);
  const passed = status === "failed" && goesOn;
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
