/**
 * What a worker remembers of a run while it carries on from one step to the next. No other worker changes the
 * outcomes of these steps while the run goes on, so the worker computes payloads and the output of the run
 * without reading. The memory ends with the last of these steps.
 */
import {
  encodeFinale,
  parseStepOutcome,
  type RunRecord,
  runFields,
  type StepBegin,
} from "../../protocol/index.js";
import { evaluate, type Scope, type WorkflowGraph } from "../../workflow/index.js";
import { MOST_OUTPUT_CHARACTERS } from "../abort-reasons.js";
import type { RunFacts } from "./run-reader.js";
import type { RunMemory, StepContext } from "../claims/step-context.js";

/**
 * Longest outcome that is remembered (characters): each slot may hold some, of a run with hundreds of steps.
 */
const MAX_REMEMBERED = 4096;

/** Starts the memory with what was read for a step. */
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
 * The payload of a plain step that starts after another one, if everything it reads is remembered. Its inputs
 * cannot have changed, or the step would not have started.
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
    // The step is then read and evaluated again, which reports the error.
    return undefined;
  }
}

/**
 * The output of the run if it completes with the end of this step and the output can be computed here; else
 * `""`.
 */
export function finaleAfter({ graph, run, step, memory }: StepContext): string {
  const { output, keepMs } = graph.definition;
  // Only ids of runs that no user started contain a dot. Such a run may be the step of another one, which the
  // decider must inform.
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
    // The decider reports the error.
    return "";
  }
}

const NO_STEPS: Scope = Object.freeze({});

/**
 * The value of `steps` in expressions; `undefined` when more must be read: an outcome that is not remembered,
 * or the items of a fan-out.
 */
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
