/** A workflow run goes on by a job of its own, stands in the list of its state, and leaves nothing behind when it is gone. */
import type { AuditFinding, FindingCode } from "../finding.js";

export interface WorkflowRunFacts {
  readonly run: string;
  readonly record: "none" | "readable" | "unreadable";
  readonly hasEnded: boolean;
  /** Jobs that it waits for, as it counts them. */
  readonly open: number | undefined;
  /** Jobs of it that are under way, without those of steps that have an end; `undefined`: not known. */
  readonly jobs: number | undefined;
  /** Runs that are steps of it, and the job of each that is to wait for it, and is not there. */
  readonly lost: readonly { readonly child: string; readonly job: string }[];
  /** The job that waits for it, although it has ended. */
  readonly waiter: string | undefined;
  /** It goes on and its time is bounded, and no job would end it then. */
  readonly lacksTimeout: boolean;
  /** Members of `listeners` that are not there, by which events would find it. */
  readonly deaf: readonly string[];
  readonly hasDefinition: boolean;
  readonly isRunning: boolean;
  readonly isEnded: boolean;
  /** Fields beside the record. */
  readonly fields: number;
  /** Events of which it would hear. */
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
  // Written so that a count that is no number is wrong, too.
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

/** Where its jobs are not known, nobody can say how many it should count. */
function repairOf(code: FindingCode, facts: WorkflowRunFacts): { readonly repair?: string } {
  const repair = code === "TW-F64" && jobsToCount(facts) === undefined ? undefined : REPAIRS[code];
  return repair === undefined ? {} : { repair };
}

/** With a repair: jobs that are lost come back. */
export function jobsToCount({ jobs, lost }: WorkflowRunFacts): number | undefined {
  return jobs === undefined ? undefined : jobs + lost.length;
}

function lists({ isRunning, isEnded }: WorkflowRunFacts): string {
  if (isRunning && isEnded) return "running and ended";
  return isRunning ? "running" : isEnded ? "ended" : "no list";
}
