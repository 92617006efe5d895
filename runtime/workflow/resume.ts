/** How a run that has failed or was cancelled goes on: which of its steps keep their ends, and which begin at once. */
import type { WorkflowDefinition, WorkflowStep } from "../definition/index.js";
import { goesOnWithout, type RunSoFar } from "./decide.js";

/** State of a run that is to go on, until a worker has seen to it. */
export const RUN_RETRYING = "retrying";

export interface Resumption {
  /** Steps that run again, or for the first time. */
  readonly reopened: readonly ReopenedStep[];
  /** Steps that keep their ends although what undoes them was tried, and failed. */
  readonly stuck: readonly string[];
}

export interface ReopenedStep {
  readonly step: WorkflowStep;
  /** How many of the steps that it needs have ended. */
  readonly met: number;
  /** They are enough: it begins at once. */
  readonly begins: boolean;
  /** It had completed and was undone: of a fan-out, all items run again. */
  readonly wasUndone: boolean;
}

export function resume(
  { steps }: WorkflowDefinition,
  { outcomes, undone }: Omit<RunSoFar, "state">,
): Resumption {
  const wasUndone = (name: string): boolean => undone.get(name)?.status === "completed";
  const isKept = (step: WorkflowStep): boolean => {
    const status = outcomes.get(step.name)?.status;
    if (status === "completed") return !wasUndone(step.name);
    return status === "skipped" || (status === "failed" && goesOnWithout(step));
  };
  const kept = new Set(steps.filter(isKept).map((step) => step.name));
  const reopened = steps.flatMap((step): ReopenedStep[] => {
    if (kept.has(step.name)) return [];
    const met = step.needs.filter((need) => kept.has(need)).length;
    const begins = met >= (step.join ?? step.needs.length);
    return [{ step, met, begins, wasUndone: wasUndone(step.name) }];
  });
  return { reopened, stuck: [...kept].filter((name) => undone.has(name)) };
}

/**
 * Items of a fan-out that may begin, where some have ended: of each lane (an item that ends begins the one `width` places on)
 * the first that has not.
 */
export function firstOfLanes(ended: readonly boolean[], width: number): readonly number[] {
  const lanes = Math.min(width, ended.length);
  return Array.from({ length: lanes }, (_unused, lane) => {
    let index = lane;
    while (ended[index] === true) index += width;
    return index;
  }).filter((index) => index < ended.length);
}
