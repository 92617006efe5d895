/**
 * A worker that holds jobs or is registered has a lease: its expiry tells other workers to take the jobs
 * back.
 */
import type { AuditFinding } from "../finding.js";

export interface WorkerFacts {
  readonly name: string;
  readonly hasLease: boolean;
  readonly isKnown: boolean;
  /** Number of jobs that it holds. */
  readonly active: number;
}

export function workerFindings({ name, hasLease, isKnown, active }: WorkerFacts): readonly AuditFinding[] {
  if (hasLease || (!isKnown && active === 0)) return [];
  const found = active === 0 ? "none, and it is known" : `none, and it holds ${active} jobs`;
  const repair = "condemn it: the next worker that is heard takes its jobs back and forgets it";
  return [{ code: "TW-F30", subject: `worker ${name}`, expected: "a lease", found, repair }];
}
