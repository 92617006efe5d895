/**
 * A workflow run is continued by a job of its own, is in the list for its state, and leaves nothing behind
 * when it is removed.
 */
import type { AuditFinding, FindingCode } from "../finding.js";

export interface WorkflowRunFacts {
  readonly run: string;
  readonly record: "none" | "readable" | "unreadable";
  readonly hasEnded: boolean;
  /** Stored number of jobs that the run waits for. */
  readonly open: number | undefined;
  /** Actual number of jobs under way, except those of steps that have ended; `undefined` if unknown. */
  readonly jobs: number | undefined;
  /** Child runs for which no job waits, with the id of the missing job. */
  readonly lost: readonly { readonly child: string; readonly job: string }[];
  /** The job that still waits for the run, although the run has ended. */
  readonly waiter: string | undefined;
  /** The run has a timeout but no job that would end it. */
  readonly lacksTimeout: boolean;
  /** Missing members of `listeners`, by which events would find the run. */
  readonly deaf: readonly string[];
  readonly hasDefinition: boolean;
  readonly isRunning: boolean;
  readonly isEnded: boolean;
  /** Number of fields beside the record. */
  readonly fields: number;
  /** Number of events that the run listens for. */
  readonly listeners: number;
}

const REPAIRS: Readonly<Partial<Record<FindingCode, string>>> = {
  "TW-F24": "put it there",
  "TW-F60": "put it into the list of its state, and out of the other",
  "TW-F61": "take it out",
  "TW-F62": "remove them",
  "TW-F64":
    "count anew; where no job is left, let a worker decide, with which the run fails and can be retried",
  "TW-F65": "forget the count",
  "TW-F67": "forget that it listens",
  "TW-F68": "let the job look at that run",
  "TW-F70": "let its time count anew",
};

export function workflowRunFindings(facts: WorkflowRunFacts): readonly AuditFinding[] {
  const { run, record, hasEnded, open = 0, fields, listeners } = facts;
  const list = lists(facts);
  const finding = (when: boolean, code: FindingCode, expected: string, found: string): AuditFinding[] =>
    when ? [{ code, subject: `run ${run}`, expected, found, ...repairOf(code, facts) }] : [];
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
  const jobs = jobsToCount(facts);
  // Written so that a NaN count is wrong too.
  const isWrong = !hasEnded && !(open >= 1 && open === (jobs ?? open));
  return [
    ...finding(list !== right, "TW-F60", right, list),
    ...finding(isWrong, "TW-F64", `${jobs ?? "some"} jobs under way, and their count`, String(open)),
    ...facts.lost.flatMap(({ child, job }) =>
      finding(true, "TW-F68", `the job ${job}, which waits for the run ${child}`, "none"),
    ),
    ...finding(
      facts.waiter !== undefined,
      "TW-F68",
      "nobody that waits for it, as it has ended",
      `the job ${facts.waiter}`,
    ),
    ...finding(facts.lacksTimeout, "TW-F70", "the job of its timeout", "none"),
    ...facts.deaf.flatMap((member) =>
      finding(true, "TW-F24", `its entry in listeners, for ${member.split(" ", 1)[0]}`, "none"),
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

/** If the jobs are unknown, the right count is unknown too. */
function repairOf(code: FindingCode, facts: WorkflowRunFacts): { readonly repair?: string } {
  const repair = code === "TW-F64" && jobsToCount(facts) === undefined ? undefined : REPAIRS[code];
  return repair === undefined ? {} : { repair };
}

/** The count after a repair, which brings lost jobs back. */
export function jobsToCount({ jobs, lost }: WorkflowRunFacts): number | undefined {
  return jobs === undefined ? undefined : jobs + lost.length;
}

function lists({ isRunning, isEnded }: WorkflowRunFacts): string {
  if (isRunning && isEnded) return "running and ended";
  return isRunning ? "running" : isEnded ? "ended" : "no list";
}
