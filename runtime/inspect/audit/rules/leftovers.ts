/** Data beside a job's state is removed with the job: cancel requests, waiting clients, notes. */
import { isOver, type JobFacts } from "../facts.js";
import type { AuditFinding, FindingCode } from "../finding.js";

export function leftoverFindings(facts: JobFacts): readonly AuditFinding[] {
  const { id, record, run, notes, ofRun } = facts;
  const gone = record.kind === "none" || record.kind === "tombstone";
  const state = gone ? "gone" : run.state;
  const finding = (when: boolean, code: FindingCode, expected: string, found: string): AuditFinding[] =>
    when ? [{ code, id, expected, found }] : [];
  return [
    ...finding(
      facts.cancelAsked && facts.owner === undefined,
      "TW-F10",
      "an active job",
      `one that is ${state}`,
    ),
    ...finding(facts.awaited && isOver(facts), "TW-F11", "a job that has not ended", `one that is ${state}`),
    ...finding(
      (notes !== "none" && ((gone && !ofRun) || state === "completed")) || (facts.logged && gone && !ofRun),
      "TW-F12",
      "a job that has not completed",
      `one that is ${state}`,
    ),
    ...finding(
      notes === "unreadable" && !gone && state !== "completed",
      "TW-F13",
      "steps and progress as JSON",
      "a text that is none",
    ),
  ];
}
