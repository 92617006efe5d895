/** Ids of child runs: runs that are steps of other runs. */
import { createHash } from "node:crypto";
import type { WorkflowStep } from "../definition/index.js";

/** Ids grow with each level of nesting; longer ones are replaced by a hash. */
const MAX_READABLE = 96;

/**
 * Derived from the run, its step and the item only, so that a step starts one run however often it tries. The
 * id begins with the parent's id up to its first dot, which leads to the same shard. No step name contains a
 * hyphen, so no job of the parent has this id.
 * `round`: 1, plus one each time that the step begins again, possibly with another input.
 */
export function childRunId(run: string, step: string, round: number, item?: number): string {
  const readable = `${run}.${step}-${round}${item === undefined ? "" : `.${item}`}`;
  if (readable.length <= MAX_READABLE) return readable;
  const hash = createHash("sha256").update(readable).digest("hex").slice(0, 24);
  return `${run.split(".", 1)[0]}.run-${hash}`;
}

/** The current round of a step that is a run, from its stored field: `<round>`, or `<round> <most items>`. */
export function roundOf(field: string | null | undefined): number {
  return Number((field ?? "1").split(" ", 1)[0]);
}

/** The most items that a fan-out has had in its earlier rounds, from the same field. */
export function itemsBefore(field: string | null | undefined): number {
  return Number(field?.split(" ")[1] ?? 0);
}

/** Whether a job stands for a child run: the job of such a step, or of one of its items. */
export function isChild(step: WorkflowStep, item: number | undefined): boolean {
  return step.child !== undefined && (step.forEach === undefined || item !== undefined);
}
