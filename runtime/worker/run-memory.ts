/**
 * What a worker knows of a run from the steps that it carries on from one to the next: nobody else changes how these have ended while the
 * run goes on. So it computes payloads, and what the run gives, without reading; and forgets all of it with the last of them.
 */
import {
  encodeFinale,
  parseStepOutcome,
  type RunRecord,
  runFields,
  type StepBegin,
} from "../protocol/index.js";
import { evaluate, type Scope, type WorkflowGraph } from "../workflow/index.js";
import { MOST_OUTPUT_CHARACTERS } from "./abort-reasons.js";
import type { RunFacts } from "./run-reader.js";
import type { RunMemory, StepContext } from "./step-context.js";

/** Characters of an outcome that is remembered: each slot may hold some of a run with hundreds of steps. */
const MAX_REMEMBERED = 4096;

/** Of what was read for a step. */
export function memoryOf(
  { run, undoes, item }: StepContext,
  record: RunRecord,
  reads: readonly string[],
  facts: RunFacts,
): RunMemory | undefined {
  if (undoes || item !== undefined) return undefined;
  const known = new Map<string, string>();
  for (const name of reads) {
    const field = runFields.step(run, name);
    const text = facts.get(field);
    if (text !== undefined && text.length <= MAX_REMEMBERED) known.set(field, text);
  }
  return { record, facts: known };
}

export function remember({ memory, graph, run, step }: StepContext, outcome: string): void {
  if (memory === undefined || outcome.length > MAX_REMEMBERED || !graph.traits(step).isRead) return;
  memory.facts.set(runFields.step(run, step.name), outcome);
}

/**
 * The payload of a plain step that begins after another, where all that it reads is known: nothing of that has changed, or it would not
 * have begun.
 */
export function knownPayload(
  { graph, run, memory }: StepContext,
  begin: StepBegin | undefined,
): { readonly payload: unknown } | undefined {
  if (begin === undefined || begin.item !== undefined || memory === undefined) return undefined;
  const { mold } = begin;
  const step = graph.step(mold.step);
  if (memory.record.life?.passed.has(mold.step) === true) return undefined;
  if (step?.job === undefined || step.if !== undefined || step.forEach !== undefined) return undefined;
  if (mold.common.options.undo !== undefined) return undefined;
  try {
    const steps = knownScope(graph, run, graph.traits(step).reads, memory.facts);
    if (steps === undefined) return undefined;
    return { payload: evaluate(step.job.payload, { input: memory.record.input, run: { id: run }, steps }) };
  } catch {
    // It is read and tried once more, which says what is wrong.
    return undefined;
  }
}

/** What the run gives if it completes with the end of this step, where that is known here; else `""`. */
export function finaleAfter({ graph, run, step, memory }: StepContext): string {
  const { output, keepMs } = graph.definition;
  // Only ids of runs that were not started by a person hold a dot: such a run may be the step of another, which has to hear of it.
  if (run.includes(".") || !graph.traits(step).completes) return "";
  if (output === undefined) return encodeFinale(keepMs, null);
  if (memory === undefined) return "";
  try {
    const steps = knownScope(graph, run, graph.outputReads, memory.facts);
    if (steps === undefined) return "";
    const finale = encodeFinale(
      keepMs,
      evaluate(output, { input: memory.record.input, run: { id: run }, steps }),
    );
    return finale.length > MOST_OUTPUT_CHARACTERS ? "" : finale;
  } catch {
    // Whoever decides says what is wrong.
    return "";
  }
}

const NO_STEPS: Scope = Object.freeze({});

/** What expressions see as `steps`; `undefined` where more has to be read: an outcome that is not known, or the items of a fan-out. */
export function knownScope(
  graph: WorkflowGraph,
  run: string,
  steps: readonly string[],
  facts: ReadonlyMap<string, string>,
): Scope | undefined {
  if (steps.length === 0) return NO_STEPS;
  const scope: Record<string, unknown> = {};
  for (const name of steps) {
    const text = facts.get(runFields.step(run, name));
    if (text === undefined || graph.step(name)?.forEach !== undefined) return undefined;
    const { status, detail } = parseStepOutcome(text);
    scope[name] = status === "completed" ? { status, result: detail } : { status };
  }
  return scope;
}

/** Of a value that comes from JSON: what is known of a run is kept for other steps, and a handler may change what it gets. */
export function copyOf(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(copyOf);
  const copy = { ...(value as Record<string, unknown>) };
  for (const key of Object.keys(copy)) {
    if (typeof copy[key] === "object") copy[key] = copyOf(copy[key]);
  }
  return copy;
}
