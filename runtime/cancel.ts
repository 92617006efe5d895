/**
 * Cancels jobs and workflow runs, for producers and operators alike. Scripts change the state; this file
 * interprets their replies and finds the jobs of a run that must be stopped.
 */
import { DEFAULT_RETENTION, type WorkflowDefinition } from "./definition/index.js";
import { TaskweftError } from "./errors.js";
import {
  type JobRecord,
  type JobState,
  parseRunEnd,
  parseRunRecord,
  parseStepOutcome,
  randomName,
  readRecord,
  runFields,
  type ShardKeys,
} from "./protocol/index.js";
import { cancel, cancelRun as callCancelRun, type ScriptRunner } from "./scripts/index.js";
import { childRunId, roundOf, stepJobId, WorkflowGraph } from "./workflow/index.js";

/** The part of a connection that cancelling needs. */
export interface CancelSource extends ScriptRunner {
  readRecords(keys: ShardKeys, ids: readonly string[]): Promise<readonly (string | null)[]>;
  readRunFields(keys: ShardKeys, fields: readonly string[]): Promise<ReadonlyMap<string, string>>;
}

export type CancelOutcome =
  /** The job will never run. */
  | "cancelled"
  /** The job is running; its worker will abort it. */
  | "requested";

/** The state of a run after a cancel; the latter two if the run was already in that state. */
export type CancelledRunState = "cancelling" | "compensating" | "failing";

/** Jobs per call and ids per read: a run may have 100,000 jobs, and no command may hold Redis for long. */
const JOB_CHUNK = 200;

/**
 * @throws TaskweftError `JobNotFound`; `StateConflict` if the job has ended, is a step of a run, or is in
 *   another state than `expected`.
 */
export async function cancelJob(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
  keepMs: (task: string) => number | undefined,
  expected?: JobState,
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
    expected,
    call: randomName(),
  });
  if (reply === "CANCELLED") return "cancelled";
  if (reply === "REQUESTED") return "requested";
  if (reply === "NOTFOUND") throw jobUnknown(id, "cancel");
  if ("moved" in reply) throw jobMoved(id, reply.moved, expected, "cancel");
  throw conflict("cancel", `job ${id} is ${reply.final} already: there is nothing to cancel`);
}

/** A workflow run must learn how each of its steps ended: if one disappeared, it would wait for ever. */
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
 * Cancels a run: it begins nothing more, running steps are aborted, waiting ones end, and completed ones are
 * compensated.
 * @throws TaskweftError `RunNotFound`; `StateConflict` if the run has ended or cannot be read.
 */
export async function cancelRun(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
): Promise<CancelledRunState> {
  const { definition, state } = await turn(source, keys, id);
  // A job of the run does this too, in case this process dies. But that job waits for a free slot, perhaps
  // behind the very jobs it is to stop.
  await stopRun(source, keys, id, definition, (child) => cancelRun(source, keys, child));
  return state;
}

/**
 * Stops what is under way of a cancelled run and cancels its child runs, unless the run has been resumed
 * meanwhile. `ofChild` cancels a child run; by default each child leaves the rest to its own stopper job.
 */
export async function stopRun(
  source: CancelSource,
  keys: ShardKeys,
  id: string,
  definition: WorkflowDefinition,
  ofChild: (child: string) => Promise<unknown> = (child) => turn(source, keys, child),
): Promise<void> {
  // The run begins nothing more, so the jobs found now are all that there are.
  for await (const jobs of liveJobs(source, keys, id, definition)) {
    if (jobs.length === 0) continue;
    const reply = await callCancelRun(source, { keys, run: id, stopper: undefined, jobs });
    if (!isHalted(reply)) return;
    for (const child of await liveChildren(source, keys, jobs)) await unlessEnded(() => ofChild(child));
  }
}

/** Marks the run as cancelling: from here on it begins nothing more, and a worker stops what is under way. */
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

/** Cancels something that may have ended or disappeared by then. */
export async function unlessEnded(cancelling: () => Promise<unknown>): Promise<void> {
  try {
    await cancelling();
  } catch (error) {
    if (!(error instanceof TaskweftError) || !OVER.has(error.code)) throw error;
  }
}

const OVER: ReadonlySet<string> = new Set(["StateConflict", "JobNotFound", "RunNotFound"]);

export function jobUnknown(id: string, operation: string): TaskweftError {
  return new TaskweftError(
    "JobNotFound",
    `no job with the id ${id}: it was never enqueued here, was deleted, or its retention has ended`,
    { operation, jobId: id },
  );
}

export function jobUnreadable(id: string, operation: string): TaskweftError {
  return conflict(
    operation,
    `what Redis holds of the job ${id} cannot be read, so it never runs. weft jobs delete ${id} removes it; weft fsck finds all of its kind`,
  );
}

/** Whoever acts on jobs of one state must not meet those that have left it since. */
export function jobMoved(
  id: string,
  state: JobState,
  expected: JobState | undefined,
  operation: string,
): TaskweftError {
  return conflict(operation, `job ${id} is ${state} by now, no longer ${expected}: it was left as it is`);
}

export function runUnknown(id: string, operation: string): TaskweftError {
  return new TaskweftError(
    "RunNotFound",
    `no workflow run with the id ${id}: it was never started here, or its retention has ended`,
    { operation },
  );
}

/** @throws TaskweftError `StateConflict` if a stored text of a run cannot be parsed. */
export function parsedOfRun<Value>(parse: () => Value, id: string, operation: string): Value {
  try {
    return parse();
  } catch {
    // Leaves out the message of `JSON.parse`, which quotes a part of the stored text.
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
  // Other fields of the hash are not runs.
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
  // The reply for an ended run contains a space and a time.
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
  /** The child run that the job waits for or will start, if its step is one. */
  readonly child?: string;
}

type Candidate = Pick<FoundJob, "child" | "id">;

/** Jobs of steps that have not ended, in chunks. Leaves out compensations, which must not be stopped. */
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
    // A fan-out has failed with its first failed item, while other items still run.
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
    // A worker that claims an unreadable job will not run it either.
    return record === undefined || record === "unreadable"
      ? []
      : [{ ...candidates[index]!, queue: record.queue }];
  });
}

/** The child runs of these jobs that have not ended. */
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
