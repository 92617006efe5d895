/**
 * Decides how a run continues when none of its jobs is under way: it has ended, or a step must be
 * compensated.
 */
import { formatDuration, type WorkflowDefinition, type WorkflowStep } from "../definition/index.js";
import type { StepOutcome } from "../protocol/index.js";

/**
 * The known state of a run (`undefined` while it is running), and how its steps and their compensations
 * ended.
 */
export interface RunSoFar {
  readonly state: string | undefined;
  readonly outcomes: ReadonlyMap<string, StepOutcome>;
  readonly undone: ReadonlyMap<string, StepOutcome>;
  /** The run's timeout passed before any step had failed. */
  readonly timedOut?: boolean;
}

export type Decision =
  | { readonly kind: "completed" }
  | { readonly kind: "undo"; readonly step: WorkflowStep }
  | { readonly kind: "failed" | "cancelled"; readonly reason: string };

/** States of a run that begins no more steps but has not ended. */
export const RUN_FAILING = "failing";
export const RUN_COMPENSATING = "compensating";
const RUN_CANCELLING = "cancelling";

/**
 * Whether a run continues when this step has failed. A fan-out fails as a whole only if its list is unusable,
 * and then always fails the run, because the steps that read its results rely on them.
 */
export function goesOnWithout({ onFailure, forEach }: WorkflowStep): boolean {
  return onFailure === "continue" && forEach === undefined;
}

/**
 * Whether a run continues when an item of this fan-out has failed: readers of the results then find null for
 * that item.
 */
export function goesOnWithoutItem({ onFailure }: WorkflowStep): boolean {
  return onFailure === "continue";
}

export function decide(definition: WorkflowDefinition, run: RunSoFar): Decision {
  if (run.state === undefined) {
    const open = definition.steps.filter((step) => !run.outcomes.has(step.name)).map((step) => step.name);
    const cancelled = [...run.outcomes].filter(([, { status }]) => status === "cancelled");
    // Only a cancelled run cancels steps. A cancelled step was not done, so such a run is not complete.
    if (open.length === 0 && cancelled.length > 0) {
      const names = cancelled.map(([name]) => name).join(", ");
      return { kind: "failed", reason: `the run was not cancelled, but these steps were: ${names}` };
    }
    if (open.length === 0) return { kind: "completed" };
    // Unreachable as long as the end of every step begins the steps that wait for it. Failing is better than
    // hanging.
    return {
      kind: "failed",
      reason: `nothing of the run is under way, but these steps have not ended: ${open.join(", ")}`,
    };
  }
  if (run.state !== RUN_FAILING) {
    const step = nextToUndo(definition, run);
    if (step !== undefined) return { kind: "undo", step };
  }
  const stuck = [...run.undone].filter(([, { status }]) => status !== "completed").map(([name]) => name);
  const also = stuck.length === 0 ? "" : `; these could not be undone: ${stuck.join(", ")}`;
  if (run.state === RUN_CANCELLING) return { kind: "cancelled", reason: `the run was cancelled${also}` };
  return { kind: "failed", reason: `${reasonOf(definition, run)}${also}` };
}

/**
 * The next step to compensate: the one that completed last, in reverse order as in a saga. But never before
 * the steps that needed it, because the times come from two workers and may disagree.
 */
function nextToUndo({ steps }: WorkflowDefinition, { outcomes, undone }: RunSoFar): WorkflowStep | undefined {
  const open = steps.filter(
    ({ name, compensate }) =>
      compensate !== undefined && outcomes.get(name)?.status === "completed" && !undone.has(name),
  );
  const needed = stepsBefore(steps, open);
  let last: { readonly step: WorkflowStep; readonly at: number } | undefined;
  for (const step of open) {
    if (needed.has(step.name)) continue;
    const { at } = outcomes.get(step.name)!;
    // Of two steps that ended in the same millisecond, the later one in the graph.
    if (last === undefined || at >= last.at) last = { step, at };
  }
  return last?.step;
}

/** Names of the steps that any of `these` needs, directly or indirectly. */
function stepsBefore(steps: readonly WorkflowStep[], these: readonly WorkflowStep[]): ReadonlySet<string> {
  const needsOf = new Map(steps.map(({ name, needs }) => [name, needs]));
  const before = new Set(these.flatMap(({ needs }) => needs));
  for (const name of before) for (const need of needsOf.get(name) ?? []) before.add(need);
  return before;
}

function reasonOf({ steps, timeoutMs = 0 }: WorkflowDefinition, run: RunSoFar): string {
  const { outcomes, timedOut } = run;
  const failed = steps
    .flatMap((step) => {
      const outcome = outcomes.get(step.name);
      return outcome?.status === "failed" && !goesOnWithout(step) ? [{ name: step.name, outcome }] : [];
    })
    .sort((one, other) => one.outcome.at - other.outcome.at);
  const [first] = failed;
  if (timedOut === true) return `the run had not ended after ${formatDuration(timeoutMs)}, its timeout`;
  return first === undefined ? "a step failed" : `step ${first.name} failed: ${String(first.outcome.detail)}`;
}
