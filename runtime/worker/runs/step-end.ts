/** Derives the end of a step from how its job ended. */
import { DEFAULT_MAX_PARALLEL, type WorkflowStep } from "../../definition/index.js";
import { encodeStepOutcome, type StepBegin, type StepEnd, type StepStatus } from "../../protocol/index.js";
import {
  goesOnWithout,
  goesOnWithoutItem,
  RUN_COMPENSATING,
  RUN_FAILING,
  undoneField,
} from "../../workflow/index.js";
import { finaleAfter, remember } from "./run-memory.js";
import type { StepContext } from "../claims/step-context.js";

/** @param endsJob false when another script writes the outcome of the job. */
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
  // Two clocks may differ a little, but a step must not end before it started.
  const begun = begunAt === undefined ? undefined : Math.min(begunAt, at);
  const outcome = encodeStepOutcome({ status, at, detail: words, begunAt: begun, attempts });
  const { onFailure = "fail" } = step;
  const isGood = status === "completed" || status === "skipped";
  const isPassed = item === undefined ? goesOnWithout(step) : goesOnWithoutItem(step);
  const goesOn = !undoes && (isGood || (status === "failed" && isPassed));
  if (goesOn && item === undefined) remember(context, outcome);
  const stops = !undoes && !goesOn && status === "failed";
  const state = !stops ? "" : onFailure === "compensate" ? RUN_COMPENSATING : RUN_FAILING;
  // A single literal: spreading objects into one another would cost more than everything else here.
  return {
    id,
    endsJob,
    run,
    step: undoes ? undoneField(step.name) : item === undefined ? step.name : `${step.name}.${item.index}`,
    outcome,
    state,
    hasten: stops ? graph.waits(run) : [],
    // Items after which the run goes on are counted. An item that stops the run fails the whole step. A
    // cancelled item does neither.
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

/** How many items run at once: when item i ends, item i + width starts. */
export function widthOf(step: WorkflowStep): number {
  return step.maxParallel ?? DEFAULT_MAX_PARALLEL;
}

/** The fan-out has stored its items and starts these; the step itself ends with its last item. */
export function endOfFanOut(context: StepContext, indexes: readonly number[]): StepEnd {
  const { graph, step } = context;
  return endOfOwnJob(
    context,
    indexes.map((index) => graph.item(step, index)),
  );
}

/**
 * A step that keeps its outcome in a retry ends with it again, once the steps before it have ended.
 * @param outcome `undefined` when the run does not go on: then only the job ends.
 */
export function endOfKept(context: StepContext, outcome: string | undefined): StepEnd {
  const { graph, step } = context;
  if (outcome === undefined) return endOfOwnJob(context, []);
  return { ...endOfOwnJob(context, graph.after(step.name)), step: step.name, outcome };
}

/** The end of a job that ends no step: it belongs to the run itself, and starts other jobs. */
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
