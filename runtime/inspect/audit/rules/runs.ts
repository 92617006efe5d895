/** A workflow run goes on by a job of its own, stands in the list of its state, and leaves nothing behind when it is gone. */
import type { AuditFinding, FindingCode } from "../finding.js";

export interface WorkflowRunFacts {
  readonly run: string;
  readonly record: "none" | "readable" | "unreadable";
  readonly hasEnded: boolean;
  /** Jobs that it waits for, as it counts them. */
  readonly open: number | undefined;
  /** Jobs of it that have not ended; `undefined`: not known. */
  readonly jobs: number | undefined;
  /** A run that is a step of it goes on. */
  readonly hasChildren: boolean;
  readonly hasDefinition: boolean;
  readonly isRunning: boolean;
  readonly isEnded: boolean;
  /** Fields beside the record. */
  readonly fields: number;
  /** Events of which it would hear. */
  readonly listeners: number;
}

const REPAIRS: Readonly<Partial<Record<FindingCode, string>>> = {
  "TW-F60": "put it into the list of its state, and out of the other",
  "TW-F61": "take it out",
  "TW-F62": "remove them",
  "TW-F64":
    "count anew; where no job is left, let a worker decide, with which the run fails and can be retried",
  "TW-F65": "forget the count",
  "TW-F67": "forget that it listens",
};

export function workflowRunFindings(facts: WorkflowRunFacts): readonly AuditFinding[] {
  const { run, record, hasEnded, open = 0, jobs, fields, listeners } = facts;
  const list = lists(facts);
  const finding = (when: boolean, code: FindingCode, expected: string, found: string): AuditFinding[] => {
    const repair = code === "TW-F64" && !isCountable(facts) ? undefined : REPAIRS[code];
    const about = { code, subject: `run ${run}`, expected, found };
    return when ? [repair === undefined ? about : { ...about, repair }] : [];
  };
  if (record === "unreadable") return finding(true, "TW-F63", "a record and a state", "a text that is none");
  if (record === "none") {
    return [
      ...finding(list !== "no list", "TW-F61", "a run", `none, in ${list}`),
      ...finding(fields > 0, "TW-F62", "a run", `none, and ${fields} fields of one`),
      ...finding(
        listeners > 0,
        "TW-F67",
        "a run that goes on",
        `none, and it listens to ${listeners} events`,
      ),
    ];
  }
  const right = hasEnded ? "ended" : "running";
  // Written so that a count that is no number is wrong, too.
  const hangs = !hasEnded && !(open >= 1 && open <= (jobs ?? open));
  return [
    ...finding(list !== right, "TW-F60", right, list),
    ...finding(
      hangs,
      "TW-F64",
      "a count of one at least, and as many jobs",
      `${open}, and ${jobs ?? "too many to count"} jobs`,
    ),
    ...finding(hasEnded && open !== 0, "TW-F65", "no count", String(open)),
    ...finding(!hasEnded && !facts.hasDefinition, "TW-F66", "its definition", "none"),
    ...finding(
      hasEnded && listeners > 0,
      "TW-F67",
      "a run that goes on",
      `an end, and it listens to ${listeners} events`,
    ),
  ];
}

/**
 * Of a run whose jobs are not known nobody can say how many it should count; and one whose step is a run that goes on must not be decided
 * before that has ended, although the job that waits for it is lost.
 */
export function isCountable({ jobs, hasChildren }: WorkflowRunFacts): boolean {
  return jobs !== undefined && !hasChildren;
}

function lists({ isRunning, isEnded }: WorkflowRunFacts): string {
  if (isRunning && isEnded) return "running and ended";
  return isRunning ? "running" : isEnded ? "ended" : "no list";
}
