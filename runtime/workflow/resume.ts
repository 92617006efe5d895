/** How a run that has failed or was cancelled goes on: which of its steps keep their ends, and which begin at once. */
import type { WorkflowDefinition, WorkflowStep } from "../definition/index.js";
import { goesOnWithout, type RunSoFar } from "./decide.js";

/** State of a run that is to go on, until a worker has seen to it. */
export const RUN_RETRYING = "retrying";

export interface Resumption {
  /** Steps that run again, or for the first time. */
  readonly reopened: readonly ReopenedStep[];
  /** Steps that keep their ends. */
  readonly kept: readonly KeptStep[];
}

interface ResumedStep {
  readonly step: WorkflowStep;
  /** How many of the steps that it needs have ended, and wait for nothing. */
  readonly met: number;
  /** A step before it runs again: what it did was made of other results than it would be now. */
  readonly isAnew: boolean;
}

export interface ReopenedStep extends ResumedStep {
  /** What it needs has ended: it begins at once. */
  readonly begins: boolean;
  /** It had completed and was undone: of a fan-out, all items run again. */
  readonly wasUndone: boolean;
}

export interface KeptStep extends ResumedStep {
  /**
   * Not enough of what it needs has ended: its end counts when that has. What comes after it would else begin beside steps that come before
   * both, and read results that are not there.
   */
  readonly waits: boolean;
  /** What undoes it was tried, and failed. */
  readonly isStuck: boolean;
}

export function resume(
  { steps }: WorkflowDefinition,
  { outcomes, undone }: Omit<RunSoFar, "state">,
): Resumption {
  const named = new Map(steps.map((step) => [step.name, step]));
  const wasUndone = (name: string): boolean => undone.get(name)?.status === "completed";
  const isKept = (step: WorkflowStep): boolean => {
    const status = outcomes.get(step.name)?.status;
    if (status === "completed") return !wasUndone(step.name);
    return status === "skipped" || (status === "failed" && goesOnWithout(step));
  };
  const kept = new Set(steps.filter(isKept).map((step) => step.name));
  const needsOf = (name: string): readonly string[] => named.get(name)?.needs ?? [];
  const metBy = (name: string): number => needsOf(name).filter(stands).length;
  const isMet = (name: string): boolean => metBy(name) >= (named.get(name)?.join ?? needsOf(name).length);
  const stands = once((name) => kept.has(name) && isMet(name));
  const isAnew = once((name) => needsOf(name).some((need) => !kept.has(need) || isAnew(need)));
  const resumed = (step: WorkflowStep): ResumedStep => {
    const { name } = step;
    return { step, met: metBy(name), isAnew: isAnew(name) };
  };
  return {
    reopened: steps
      .filter(({ name }) => !kept.has(name))
      .map((step) => ({ ...resumed(step), begins: isMet(step.name), wasUndone: wasUndone(step.name) })),
    kept: steps
      .filter(({ name }) => kept.has(name))
      .map((step) => ({ ...resumed(step), waits: !isMet(step.name), isStuck: undone.has(step.name) })),
  };
}

/** Asked of each step once: a graph has more ways through it than steps. */
function once(ask: (name: string) => boolean): (name: string) => boolean {
  const answers = new Map<string, boolean>();
  return (name) => {
    const answer = answers.get(name) ?? ask(name);
    answers.set(name, answer);
    return answer;
  };
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
