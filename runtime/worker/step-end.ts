/** Makes the end of a step from how its job ended. */
import { DEFAULT_MAX_PARALLEL, type WorkflowStep } from "../definition/index.js";
import { encodeStepOutcome, type StepBegin, type StepEnd, type StepStatus } from "../protocol/index.js";
import {
  goesOnWithout,
  goesOnWithoutItem,
  RUN_COMPENSATING,
  RUN_FAILING,
  undoneField,
} from "../workflow/index.js";
import { finaleAfter, remember } from "./run-memory.js";
import type { StepContext } from "./step-context.js";

/** `endsJob`: false where another script writes what becomes of the job. */
export function endOfStep(
  context: StepContext,
  status: StepStatus,
  detail: unknown,
  now: number,
  endsJob = true,
): StepEnd {
  const { id, graph, run, step, item, undoes, begunAt, attempts } = context;
  const words = status === "failed" && item !== undefined ? `item ${item.index}: ${String(detail)}` : detail;
  const at = Math.round(now);
  // Two clocks may differ by a little: nothing ends before it has begun.
  const begun = begunAt === undefined ? undefined : Math.min(begunAt, at);
  const outcome = encodeStepOutcome({ status, at, detail: words, begunAt: begun, attempts });
  const { onFailure = "fail" } = step;
  const isGood = status === "completed" || status === "skipped";
  const isPassed = item === undefined ? goesOnWithout(step) : goesOnWithoutItem(step);
  const goesOn = !undoes && (isGood || (status === "failed" && isPassed));
  if (goesOn && item === undefined) remember(context, outcome);
  const stops = !undoes && !goesOn && status === "failed";
  const state = !stops ? "" : onFailure === "compensate" ? RUN_COMPENSATING : RUN_FAILING;
  // One literal: objects that are spread over each other cost more than all the rest of an end.
  return {
    id,
    endsJob,
    run,
    step: undoes ? undoneField(step.name) : item === undefined ? step.name : `${step.name}.${item.index}`,
    outcome,
    state,
    hasten: stops ? graph.waits(run) : [],
    // Ends that go on count; with one that does not, the step has failed. Cancelled ones say nothing of it.
    itemOf: item !== undefined && (goesOn || stops) ? { step: step.name, total: item.total } : undefined,
    decider: graph.decider,
    finale: goesOn && endsJob ? finaleAfter(context) : "",
    begins: goesOn ? beginsAfter(context) : [],
  };
}

function beginsAfter({ graph, step, item }: StepContext): readonly StepBegin[] {
  if (item === undefined) return graph.after(step.name);
  const next = item.index + widthOf(step);
  const begins = graph.afterItem(step.name);
  return next < item.total ? [graph.item(step, next), ...begins] : begins;
}

/** Items that run at once: each that ends begins the one so many places further on. */
export function widthOf(step: WorkflowStep): number {
  return step.maxParallel ?? DEFAULT_MAX_PARALLEL;
}

/** The fan-out has stored its items, and begins these; the step itself ends with the last of them. */
export function endOfFanOut(context: StepContext, indexes: readonly number[]): StepEnd {
  const { graph, step } = context;
  return endOfOwnJob(
    context,
    indexes.map((index) => graph.item(step, index)),
  );
}

/** A step that keeps its end in a retry ends so again, as what comes before it has; `undefined`: its run does not go on, and nothing comes of it. */
export function endOfKept(context: StepContext, outcome: string | undefined): StepEnd {
  const { graph, step } = context;
  if (outcome === undefined) return endOfOwnJob(context, []);
  return { ...endOfOwnJob(context, graph.after(step.name)), step: step.name, outcome };
}

/** A job that ends no step: it belongs to the run itself, and begins others. */
export function endOfOwnJob(
  { id, graph, run }: Pick<StepContext, "graph" | "id" | "run">,
  begins: readonly StepBegin[],
): StepEnd {
  return {
    id,
    endsJob: true,
    run,
    step: "",
    outcome: "",
    state: "",
    hasten: [],
    itemOf: undefined,
    decider: graph.decider,
    finale: "",
    begins,
  };
}
