/** How a run goes on when nothing of it is under way: it has ended, or there is something to undo. */
import { formatDuration, type WorkflowDefinition, type WorkflowStep } from "../definition/index.js";
import type { StepOutcome } from "../protocol/index.js";

/** What is known of a run: its state, `undefined` while it runs, and how its steps and their undoings ended. */
export interface RunSoFar {
  readonly state: string | undefined;
  readonly outcomes: ReadonlyMap<string, StepOutcome>;
  readonly undone: ReadonlyMap<string, StepOutcome>;
  /** Its time was over before anything of it had failed. */
  readonly timedOut?: boolean;
}

export type Decision =
  | { readonly kind: "completed" }
  | { readonly kind: "undo"; readonly step: WorkflowStep }
  | { readonly kind: "failed" | "cancelled"; readonly reason: string };

/** States of a run that does not go on, but has not ended yet. */
export const RUN_FAILING = "failing";
export const RUN_COMPENSATING = "compensating";
export const RUN_CANCELLING = "cancelling";

/**
 * Whether a run goes on when this step has failed. A fan-out as a whole fails only where its list cannot be used: what reads its results
 * counts on them, whatever becomes of single items.
 */
export function goesOnWithout({ onFailure, forEach }: WorkflowStep): boolean {
  return onFailure === "continue" && forEach === undefined;
}

/** The same of an item of a fan-out: what reads its results finds null in its place. */
export function goesOnWithoutItem({ onFailure }: WorkflowStep): boolean {
  return onFailure === "continue";
}

export function decide(definition: WorkflowDefinition, run: RunSoFar): Decision {
  if (run.state === undefined) {
    const open = definition.steps.filter((step) => !run.outcomes.has(step.name)).map((step) => step.name);
    const cancelled = [...run.outcomes].filter(([, { status }]) => status === "cancelled");
    // A run that goes on cancels nothing. What was cancelled is not done, so such a run is not complete.
    if (open.length === 0 && cancelled.length > 0) {
      const names = cancelled.map(([name]) => name).join(", ");
      return { kind: "failed", reason: `the run was not cancelled, but these steps were: ${names}` };
    }
    if (open.length === 0) return { kind: "completed" };
    // Cannot be, as long as every end of a step begins what waits for it. Said aloud, because a run must not hang.
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
 * The step that completed last, of those that can be undone and are not: in reverse order, as in a saga. But none before those that needed it:
 * the times are those of two workers, which may differ.
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
    // Of two that ended in one millisecond the later one in the graph.
    if (last === undefined || at >= last.at) last = { step, at };
  }
  return last?.step;
}

/** Names of the steps from which `needs` lead to any of these. */
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
