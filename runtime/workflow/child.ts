/** Runs that are steps of other runs: their ids. */
import { createHash } from "node:crypto";
import type { WorkflowStep } from "../definition/index.js";

/** Ids grow with each run inside of a run; longer ones are made of a hash. */
const MAX_READABLE = 96;

/**
 * Made from the run, its step and the item alone, so that a step starts one run however often it tries. Begins with the id up to its
 * first dot, and so leads to the same shard; no name of a step holds a hyphen, so no job of the parent has the id.
 * `round`: 1, and one more each time that the step begins anew with what may be another input.
 */
export function childRunId(run: string, step: string, round: number, item?: number): string {
  const readable = `${run}.${step}-${round}${item === undefined ? "" : `.${item}`}`;
  if (readable.length <= MAX_READABLE) return readable;
  const hash = createHash("sha256").update(readable).digest("hex").slice(0, 24);
  return `${run.split(".", 1)[0]}.run-${hash}`;
}

/** The rounds that a step which is a run has had, by what its field says. */
export function roundOf(field: string | null | undefined): number {
  return Number(field ?? 1);
}

/** True of a job that stands for a run: that of such a step, or of its items. */
export function isChild(step: WorkflowStep, item: number | undefined): boolean {
  return step.child !== undefined && (step.forEach === undefined || item !== undefined);
}
