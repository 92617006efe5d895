/** All details of one workflow run and its steps. */
import type { WorkflowStep } from "../definition/index.js";
import { parseRunEnd, parseStepOutcome, runFields, type StepOutcome } from "../protocol/index.js";
import { areGiven, childRunId, stepJobId, undoJobId } from "../workflow/index.js";
import { nameOfError } from "./run-error.js";
import { summarizeRun } from "./run-list.js";
import {
  type JobNow,
  readStarted,
  readFields,
  readRun,
  readStepJobs,
  readSteps,
  type StepFacts,
  type StoredRun,
} from "./run-reads.js";
import { readVeil } from "./run-secrets.js";
import type { RunVeil } from "./run-veil.js";
import type { RunDetails, RunItems, RunStep, RunStepState, RunSummary, RunUndoing } from "./run-types.js";
import { summarize, type ShardReader } from "./shard-reader.js";
import type { Redactor } from "./types.js";

const MOST_FAILURES = 10;

/** @throws TaskweftError `RunNotFound`. */
export async function showRun(
  reader: ShardReader,
  id: string,
  redactor: Redactor | undefined,
): Promise<RunDetails> {
  const run = await readRun(reader, id, "showRun");
  const facts = await readSteps(reader, run);
  const jobs = await readStepJobs(reader, id, run.definition.steps);
  const veil = await readVeil(reader, run, facts, redactor);
  const summary = summarizeRun(id, run.recordText, run.stateText, run.parentText, run.removedAt);
  const childOf = ({ name, child }: WorkflowStep, index?: number): string | undefined =>
    child === undefined ? undefined : childRunId(id, name, facts.get(name)!.round, index);
  const children = await readStarted(
    reader,
    run.definition.steps.flatMap((step) => (step.forEach === undefined ? (childOf(step) ?? []) : [])),
  );
  // The items first, because a message may repeat values of another item.
  const items = new Map<string, RunItems>();
  for (const step of run.definition.steps) {
    const found = await readItems(reader, id, step, facts.get(step.name)!, veil, (index) =>
      childOf(step, index),
    );
    if (found !== undefined) items.set(step.name, found);
  }
  const steps = run.definition.steps.map((step) => {
    const own = childOf(step);
    const started = own !== undefined && children.has(own) ? own : undefined;
    const shown = describeStep(summary, step, facts, jobs, veil, started);
    const ofStep = items.get(step.name);
    return ofStep === undefined ? shown : { ...shown, items: withCleanFailures(ofStep, veil) };
  });
  return {
    ...summary,
    ...(summary.error === undefined ? {} : { error: cleanError(summary.error, veil) }),
    hash: run.record.hash,
    input: veil.input,
    ...outputOf(run, veil),
    hidden: veil.hidden,
    steps,
  };
}

/** The name of the failed step is always shown, as in the list. */
function cleanError(error: string, veil: RunVeil): string {
  return veil.secrets === undefined ? nameOfError(error) : veil.clean(error);
}

function outputOf({ stateText, definition }: StoredRun, veil: RunVeil): { readonly output?: unknown } {
  const end = parseRunEnd(stateText);
  if (end?.state !== "completed" || definition.output === undefined) return {};
  return { output: veil.output(end.detail) };
}

function describeStep(
  run: RunSummary,
  step: WorkflowStep,
  facts: ReadonlyMap<string, StepFacts>,
  jobs: ReadonlyMap<string, JobNow>,
  veil: RunVeil,
  child: string | undefined,
): RunStep {
  const { name, forEach, compensate } = step;
  const { outcome, undone, items } = facts.get(name)!;
  const now = jobs.get(stepJobId(run.id, name));
  const undoing = compensate && describeUndoing(run.id, name, compensate.task, undone, jobs, veil);
  const head = {
    name,
    ...(step.job === undefined ? {} : { task: step.job.task }),
    ...(step.child === undefined ? {} : { workflow: step.child.workflow }),
    ...(step.waitFor === undefined ? {} : { event: step.waitFor.event }),
    ...(child === undefined ? {} : { run: child }),
  };
  const tail = undoing === undefined ? {} : { undoing };
  if (outcome !== undefined) {
    const ended = endedStep(step, outcome, veil);
    return { ...head, ...ended, ...(now === undefined ? {} : { job: now.job.id }), ...tail };
  }
  if (now !== undefined && child !== undefined) {
    // The job of this step only waits.
    const { begunAt } = liveStep(now, veil);
    return {
      ...head,
      state: "active",
      ...(begunAt === undefined ? {} : { begunAt }),
      job: now.job.id,
      ...tail,
    };
  }
  if (now !== undefined) return { ...head, ...liveStep(now, veil), ...tail };
  const state = unbegunState(run, forEach !== undefined && items !== undefined);
  return { ...head, state, ...(state === "waiting" ? waitOf(step, facts) : {}), ...tail };
}

/** State of a step without a job: its items have the jobs, or its turn has not come. */
function unbegunState({ state }: RunSummary, fannedOut: boolean): RunStepState {
  if (state !== "running") return fannedOut ? "cancelled" : "not-begun";
  return fannedOut ? "active" : "waiting";
}

function waitOf(
  { needs, join = needs.length }: WorkflowStep,
  facts: ReadonlyMap<string, StepFacts>,
): Pick<RunStep, "waitsFor" | "waitsForCount"> {
  const waitsFor = needs.filter((need) => facts.get(need)?.outcome === undefined);
  const count = join - (needs.length - waitsFor.length);
  return { waitsFor, ...(count > 0 && count < waitsFor.length ? { waitsForCount: count } : {}) };
}

function endedStep(step: WorkflowStep, outcome: StepOutcome, veil: RunVeil): Omit<RunStep, "name"> {
  const { status, at, detail, begunAt, attempts } = outcome;
  const fansOut = step.forEach !== undefined;
  return {
    state: status,
    // For a fan-out, `begunAt` would be the time of its last item.
    ...(begunAt === undefined || fansOut ? {} : { begunAt }),
    endedAt: at,
    ...(attempts === undefined || step.job === undefined || fansOut ? {} : { attempts }),
    ...(status === "completed" && !fansOut && detail !== null ? { result: veil.result(step.name) } : {}),
    ...(status === "failed" ? { failure: veil.clean(String(detail)) } : {}),
  };
}

function liveStep({ job, state, dueAt }: JobNow, veil: RunVeil): Omit<RunStep, "name"> {
  const { id, enqueuedAt, attempts, crashes, worker, lastError } = summarize(job, state, {});
  return {
    // The job may have ended a moment before its step does.
    state: state === "completed" || state === "dead" || state === "cancelled" ? "active" : state,
    job: id,
    ...(enqueuedAt === undefined ? {} : { begunAt: Math.round(enqueuedAt) }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(attempts + crashes === 0 ? {} : { attempts: attempts + crashes }),
    ...(worker === undefined ? {} : { worker }),
    ...(lastError === undefined ? {} : { failure: veil.clean(lastError) }),
  };
}

function describeUndoing(
  run: string,
  step: string,
  task: string,
  undone: StepOutcome | undefined,
  jobs: ReadonlyMap<string, JobNow>,
  veil: RunVeil,
): RunUndoing | undefined {
  if (undone !== undefined) {
    const completed = undone.status === "completed";
    return {
      task,
      state: completed ? "completed" : "failed",
      endedAt: undone.at,
      ...(completed ? {} : { failure: veil.clean(String(undone.detail)) }),
    };
  }
  const now = jobs.get(undoJobId(run, step));
  if (now === undefined) return undefined;
  const { state, failure } = liveStep(now, veil);
  return { task, state: state as RunUndoing["state"], ...(failure === undefined ? {} : { failure }) };
}

/**
 * Counts items by how they ended. Items of a completed fan-out are not read, because all of them have
 * completed.
 */
async function readItems(
  reader: ShardReader,
  run: string,
  step: WorkflowStep,
  { outcome, items: total }: StepFacts,
  veil: RunVeil,
  childOf: (index?: number) => string | undefined,
): Promise<RunItems | undefined> {
  if (step.forEach === undefined || total === undefined) return undefined;
  const named = childOf();
  const runs = named === undefined ? {} : { runs: named };
  if (outcome?.status === "completed" && step.onFailure !== "continue") {
    return { total, completed: total, failed: 0, cancelled: 0, failures: [], ...runs };
  }
  const indexes = Array.from({ length: total }, (_unused, index) => index);
  const fields = indexes.map((index) => runFields.step(run, `${step.name}.${index}`));
  const counts = { c: 0, s: 0, f: 0, x: 0 };
  const failures: { index: number; failure: string; run?: string }[] = [];
  for (const [index, text] of (await readFields(reader, fields)).entries()) {
    if (text === null) continue;
    counts[text.charAt(0) as keyof typeof counts]++;
    if (!text.startsWith("f") || failures.length === MOST_FAILURES) continue;
    const child = childOf(index);
    const failure = String(parseStepOutcome(text).detail).replace(/^item \d+: /, "");
    failures.push({ index, failure, ...(child === undefined ? {} : { run: child }) });
  }
  const failed = areGiven(step) ? [] : failures.map(({ index }) => runFields.item(run, step.name, index));
  const texts = await readFields(reader, failed);
  const stored = new Map(failed.map((field, place) => [field, texts[place] ?? "null"]));
  for (const { index } of failures) veil.learnItem(step, index, stored);
  return { total, completed: counts.c + counts.s, failed: counts.f, cancelled: counts.x, failures, ...runs };
}

function withCleanFailures(items: RunItems, veil: RunVeil): RunItems {
  const failures = items.failures.map((one) => ({ ...one, failure: veil.clean(one.failure) }));
  return { ...items, failures };
}
