/**
 * A definition is stored and counts its runs as long as a run is pinned to it; removing the last run removes
 * the definition.
 */
import type { AuditFinding } from "../finding.js";

export interface PinFacts {
  /** `@<workflow> <hash>`. */
  readonly field: string;
  readonly hasText: boolean;
  /** The stored count of pinned runs. */
  readonly count: string | undefined;
  /** The actual number of pinned runs. */
  readonly pinned: number;
}

export function pinFindings(facts: PinFacts): readonly AuditFinding[] {
  const { field, hasText, count, pinned } = facts;
  // Runs without their definition are a separate finding. The count must stay wrong, because with a count no
  // start would store the definition again.
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

/** The stored count minus the actual number. */
export function pinSurplus({ count, pinned }: PinFacts): number {
  return pinCount(count) - pinned;
}

/** A text that is not a number counts as 0. */
export function pinCount(count: string | null | undefined): number {
  return Number(count ?? 0) || 0;
}
