/** A definition is there, and counts runs, as long as a run is pinned to it: the last one that is forgotten takes it along. */
import type { AuditFinding } from "../finding.js";

export interface PinFacts {
  /** `@<workflow> <hash>` */
  readonly field: string;
  readonly hasText: boolean;
  /** Runs that are pinned to it, as it counts them itself. */
  readonly count: string | undefined;
  /** The same, counted. */
  readonly pinned: number;
}

export function pinFindings(facts: PinFacts): readonly AuditFinding[] {
  const { field, hasText, count, pinned } = facts;
  // Runs without their definition are a finding of their own; with a count again, no start would store it.
  if (isPinnedRight(facts) || (!hasText && pinned > 0)) return [];
  const found =
    count === undefined ? "no count" : `a count of ${count}${hasText ? "" : ", and no definition"}`;
  return [
    {
      code: "TW-F69",
      subject: `workflow ${field.slice(1)}`,
      expected: pinned === 0 ? "nothing, as no run is pinned to it" : `a count of ${pinned} runs`,
      found,
      repair: pinned === 0 ? "forget it" : "count anew",
    },
  ];
}

export function isPinnedRight(facts: PinFacts): boolean {
  return pinSurplus(facts) === 0 && (!facts.hasText || pinCount(facts.count) >= 1);
}

/** How many runs more it counts than there are. */
export function pinSurplus({ count, pinned }: PinFacts): number {
  return pinCount(count) - pinned;
}

/** What is no number counts nothing. */
export function pinCount(count: string | null | undefined): number {
  return Number(count ?? 0) || 0;
}
