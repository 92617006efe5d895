/**
 * What producers and operators do alike: they cancel jobs and workflow runs. State moves are scripts; here stands what their answers
 * mean, and which jobs of a run there are to be stopped.
 */
import { DEFAULT_RETENTION, type WorkflowDefinition } from "./definition/index.js";
import { TaskweftError } from "./errors.js";
import {
  type JobRecord,
  parseRunEnd,
  parseRunRecord,
  parseStepOutcome,
  readRecord,
  runFields,
  type ShardKeys,
} from "./protocol/index.js";
import { cancel, cancelRun as callCancelRun, type ScriptRunner } from "./scripts/index.js";
import { childRunId, roundOf, stepJobId, WorkflowGraph } from "./workflow/index.js";

/** The connection, as far as it is needed here. */
export interface CancelSource extends ScriptRunner {
  readRecords(keys: ShardKeys, ids: readonly string[]): Promise<readonly (string | null)[]>;
  readRunFields(keys: ShardKeys, fields: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export type CancelOutcome =
  /** Will never run. */
  | "cancelled"
  /** Is running: its worker aborts it. */
  | "requested";

/** What a run is from now on that was cancelled; the latter two where it was that already. */
export type CancelledRunState = "cancelling" | "compensating" | "failing";

/** Jobs of one call, and ids of one read: a run may have 100,000, and no command may hold Redis for long. */
const JOB_CHUNK = 200;

/** @throws TaskweftError `JobNotFound`; `StateConflict` when it has ended or is a step of a run. */
export async function cancelJob(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
  keepMs: (task: string) => number | undefined,
): Promise<CancelOutcome> {
  const [text = null] = await source.readRecords(keys, [id]);
  const record = text === null ? undefined : readRecord(text);
  if (record === undefined) throw jobUnknown(id, "cancel");
  if (record === "unreadable") throw jobUnreadable(id, "cancel");
  assertNoStep(record, id, "cancel");
  const reply = await cancel(source, {
    keys,
    id,
    queue: record.queue,
    keepMs: record.options.keepDeadMs ?? keepMs(record.task) ?? DEFAULT_RETENTION.deadMs,
  });
  if (reply === "CANCELLED") return "cancelled";
  if (reply === "REQUESTED") return "requested";
  if (reply === "NOTFOUND") throw jobUnknown(id, "cancel");
  throw conflict("cancel", `job ${id} is ${reply.final} already: there is nothing to cancel`);
}

/** A workflow run must hear how each of its steps ended: one that is taken away behind its back would let it wait for ever. */
export function assertNoStep(
  { options }: JobRecord,
  id: string,
  operation: "cancel" | "remove" | "retry",
): void {
  const { run } = options;
  if (run === undefined) return;
  const verb = operation === "remove" ? "cancel" : operation;
  throw conflict(
    operation,
    `job ${id} is a step of the workflow run ${run}, which would never hear of it. Act on the run: weft runs ${verb} ${run}`,
  );
}

/**
 * The run begins nothing more. What runs is stopped, what waits ends, and what has completed is undone.
 * @throws TaskweftError `JobNotFound`; `StateConflict` when it has ended or cannot be read.
 */
export async function cancelRun(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
): Promise<CancelledRunState> {
  const { definition, state } = await turn(source, keys, id);
  // A job of the run does this as well, in case that nobody comes so far. It waits for a free slot, and may wait for what it is to stop.
  await stopRun(source, keys, id, definition, (child) => cancelRun(source, keys, child));
  return state;
}

/**
 * Stops what is under way of a run that was cancelled, and cancels the runs of its steps; unless the run goes on again meanwhile.
 * `ofChild`: how these are cancelled. By default each leaves the rest to the job that stops what is under way of it.
 */
export async function stopRun(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
  definition: WorkflowDefinition,
  ofChild: (child: string) => Promise<unknown> = (child) => turn(source, keys, child),
): Promise<void> {
  // Nothing new begins, so that what is found now is all there is.
  for await (const jobs of liveJobs(source, keys, id, definition)) {
    if (jobs.length === 0) continue;
    const reply = await callCancelRun(source, { keys, run: id, stopper: undefined, jobs });
    if (!isHalted(reply)) return;
    for (const child of await liveChildren(source, keys, jobs)) await unlessEnded(() => ofChild(child));
  }
}

/** From here on the run begins nothing more, and a worker stops what is under way of it. */
async function turn(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
): Promise<{ readonly definition: WorkflowDefinition; readonly state: CancelledRunState }> {
  const definition = await readDefinition(source, keys, id);
  const { stopper } = new WorkflowGraph(definition);
  const reply = await callCancelRun(source, { keys, run: id, stopper, jobs: [] });
  return { definition, state: assertGoesOn(reply, id) };
}

/** Cancels what may have ended, or be gone, by then. */
export async function unlessEnded(cancelling: () => Promise<unknown>): Promise<void> {
  try {
    await cancelling();
  } catch (error) {
    const isOver =
      error instanceof TaskweftError && (error.code === "StateConflict" || error.code === "JobNotFound");
    if (!isOver) throw error;
  }
}

export function jobUnknown(id: string, operation: string): TaskweftError {
  return new TaskweftError(
    "JobNotFound",
    `no job with the id ${id}: it was never enqueued here, was deleted, or its retention has ended`,
    { operation },
  );
}

export function jobUnreadable(id: string, operation: string): TaskweftError {
  return conflict(
    operation,
    `what Redis holds of the job ${id} cannot be read, so it never runs. weft jobs delete ${id} removes it; weft fsck finds all of its kind`,
  );
}

export function runUnknown(id: string, operation: string): TaskweftError {
  return new TaskweftError(
    "JobNotFound",
    `no workflow run with the id ${id}: it was never started here, or its retention has ended`,
    { operation },
  );
}

/** @throws TaskweftError `StateConflict` where what is stored of a run cannot be parsed. */
export function parsedOfRun<Value>(parse: () => Value, id: string, operation: string): Value {
  try {
    return parse();
  } catch {
    // Without what JSON says of it, which repeats a part of the text.
    throw conflict(
      operation,
      `what Redis holds of the workflow run ${id} is spoiled and cannot be read; the run has failed or will`,
    );
  }
}

async function readDefinition(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
): Promise<WorkflowDefinition> {
  // Other fields of the hash are no runs.
  const isRun = !id.includes(" ") && !id.startsWith("@");
  const text = isRun ? (await source.readRunFields(keys, [id])).get(id) : undefined;
  if (text === undefined) throw runUnknown(id, "cancelRun");
  const { workflow, hash } = parsedOfRun(() => parseRunRecord(text), id, "cancelRun");
  const field = runFields.definition(workflow, hash);
  const definition = (await source.readRunFields(keys, [field])).get(field);
  if (definition === undefined) throw runUnknown(id, "cancelRun");
  return parsedOfRun(() => JSON.parse(definition) as WorkflowDefinition, id, "cancelRun");
}

function isHalted(reply: string): reply is CancelledRunState {
  // An end has its time behind it.
  return reply !== "NOTFOUND" && reply !== "RUNNING" && !reply.includes(" ");
}

function assertGoesOn(reply: string, id: string): CancelledRunState {
  if (reply === "NOTFOUND") throw runUnknown(id, "cancelRun");
  if (isHalted(reply)) return reply;
  const [end = ""] = reply.split(" ", 1);
  throw conflict("cancelRun", `the run ${id} has ended already: it is ${end}. There is nothing to cancel`);
}

interface FoundJob {
  readonly id: string;
  readonly queue: string;
  /** The run that it waits for, or is to start, where the step is one. */
  readonly child?: string;
}

type Candidate = Pick<FoundJob, "child" | "id">;

/** Jobs of steps that have not ended, a part of them at a time; without those that undo, which nothing must stop. */
async function* liveJobs(
  source: CancelSource,
  keys: ShardKeys,
  run: string,
  { steps }: WorkflowDefinition,
): AsyncGenerator<readonly FoundJob[]> {
  const fields = steps.flatMap(({ name, child }) => [
    runFields.step(run, name),
    runFields.items(run, name),
    ...(child === undefined ? [] : [runFields.round(run, name)]),
  ]);
  const facts = await source.readRunFields(keys, fields);
  let ids: Candidate[] = [];
  for (const { name, forEach, child } of steps) {
    const outcome = facts.get(runFields.step(run, name));
    const round = roundOf(facts.get(runFields.round(run, name)));
    const candidate = (index?: number): Candidate => ({
      id: stepJobId(run, name, index),
      ...(child === undefined ? {} : { child: childRunId(run, name, round, index) }),
    });
    if (outcome === undefined) ids.push(candidate());
    // A fan-out has failed with its first item, while others run.
    if (forEach === undefined || (outcome !== undefined && parseStepOutcome(outcome).status === "completed"))
      continue;
    const items = Number(facts.get(runFields.items(run, name)) ?? 0);
    for (let index = 0; index < items; index++) {
      ids.push(candidate(index));
      if (ids.length === JOB_CHUNK) yield await existing(source, keys, ids.splice(0));
    }
  }
  for (; ids.length > 0; ids = ids.slice(JOB_CHUNK))
    yield await existing(source, keys, ids.slice(0, JOB_CHUNK));
}

async function existing(
  source: CancelSource,
  keys: ShardKeys,
  candidates: readonly Candidate[],
): Promise<readonly FoundJob[]> {
  const records = await source.readRecords(
    keys,
    candidates.map(({ id }) => id),
  );
  return records.flatMap((text, index) => {
    const record = text === null ? undefined : readRecord(text);
    // Whoever claims one that cannot be read will not run it either.
    return record === undefined || record === "unreadable"
      ? []
      : [{ ...candidates[index]!, queue: record.queue }];
  });
}

/** Of the runs that these jobs wait for, those that have not ended. */
async function liveChildren(
  source: CancelSource,
  keys: ShardKeys,
  jobs: readonly FoundJob[],
): Promise<readonly string[]> {
  const ids = jobs.flatMap(({ child = [] }) => child);
  if (ids.length === 0) return [];
  const facts = await source.readRunFields(keys, [...ids.map(runFields.parent), ...ids.map(runFields.state)]);
  return ids.filter(
    (id) =>
      facts.has(runFields.parent(id)) && parseRunEnd(facts.get(runFields.state(id)) ?? null) === undefined,
  );
}

function conflict(operation: string, message: string): TaskweftError {
  return new TaskweftError("StateConflict", message, { operation });
}
