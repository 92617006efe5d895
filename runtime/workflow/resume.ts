/** How a failed or cancelled run is resumed: which steps keep their ends, and which begin at once. */
import type { WorkflowDefinition, WorkflowStep } from "../definition/index.js";
import { goesOnWithout, type RunSoFar } from "./decide.js";

/** State of a run from the retry request until a worker has resumed it. */
export const RUN_RETRYING = "retrying";

export interface Resumption {
  /** Steps that run again or for the first time. */
  readonly reopened: readonly ReopenedStep[];
  /** Steps that keep their ends. */
  readonly kept: readonly KeptStep[];
}

interface ResumedStep {
  readonly step: WorkflowStep;
  /** How many of its needed steps keep their ends. */
  readonly met: number;
  /** A step before it runs again, so the step's earlier work was based on results that may change. */
  readonly isAnew: boolean;
}

export interface ReopenedStep extends ResumedStep {
  /** Its needs are met: it begins at once. */
  readonly begins: boolean;
  /** It had completed and was compensated; a fan-out then runs all of its items again. */
  readonly wasUndone: boolean;
}

export interface KeptStep extends ResumedStep {
  /**
   * Its needs are not met, so its end counts only once they are. Otherwise the steps after it would begin
   * beside steps that come before both, and would read results that do not exist yet.
   */
  readonly waits: boolean;
  /** Its compensation was tried and failed. */
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

/** Memoises `ask` per step, because a graph has more paths than steps. */
function once(ask: (name: string) => boolean): (name: string) => boolean {
  const answers = new Map<string, boolean>();
  return (name) => {
    const answer = answers.get(name) ?? ask(name);
    answers.set(name, answer);
    return answer;
  };
}

/**
 * The items of a partly ended fan-out that may begin: in each lane (when an item ends, the one `width` places
 * further on begins), the first that has not ended.
 */
export function firstOfLanes(ended: readonly boolean[], width: number): readonly number[] {
  const lanes = Math.min(width, ended.length);
  return Array.from({ length: lanes }, (_unused, lane) => {
    let index = lane;
    while (ended[index] === true) index += width;
    return index;
  }).filter((index) => index < ended.length);
}
