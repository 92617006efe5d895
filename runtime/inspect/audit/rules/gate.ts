/**
 * The gate's view of one job: while the job lives, its entry names its own group, and it waits in at most one
 * place.
 */
import { parkedGroup } from "../../../protocol/index.js";
import { isOver, type JobFacts } from "../facts.js";
import type { AuditFinding, FindingCode } from "../finding.js";

export function gateFindings(facts: JobFacts): readonly AuditFinding[] {
  const { id, record, entry, strays } = facts;
  if (record.kind === "newer" || record.kind === "unreadable") return [];
  const finding = (when: boolean, code: FindingCode, expected: string, found: string): AuditFinding[] =>
    when ? [{ code, id, expected, found }] : [];
  const group = groupOf(facts);
  return [
    ...finding(
      entry === undefined && group !== undefined && !mayBeHastened(facts),
      "TW-F50",
      "an entry in limited",
      "none",
    ),
    ...finding(
      entry !== undefined && !isRight(facts),
      "TW-F51",
      group === undefined ? "no entry in limited" : `one of its group in queue ${queueOf(facts)}`,
      group === undefined ? "one" : "another, or one of a pause that it does not wait for",
    ),
    ...finding(
      strays.length > 0,
      "TW-F52",
      facts.atGate ? "one place at the gate" : "no place at the gate",
      `${strays.length} besides`,
    ),
  ];
}

/** A step of a run that does not go on leaves the gate, and needs no slot to learn that (hasten-jobs.lua). */
function mayBeHastened({ ofHaltedRun, owner, pending }: JobFacts): boolean {
  return ofHaltedRun && (owner !== undefined || pending.size > 0);
}

/** The group of a living job; `undefined` for none. */
export function groupOf({ record, run, ...facts }: JobFacts): string | undefined {
  if (record.kind !== "job") return undefined;
  const lives = !isOver({ record, run, ...facts }) || run.hole;
  return lives ? record.options.group : undefined;
}

function queueOf({ record }: JobFacts): string {
  return record.kind === "job" ? record.queue : "";
}

function isRight(facts: JobFacts): boolean {
  const { record, entry = "", atGate } = facts;
  // A tombstone holds its job's slot until a worker has passed it in the list; only the entry knows the
  // group.
  if (record.kind === "tombstone") return facts.owner !== undefined || facts.pending.size > 0;
  if (record.kind !== "job") return false;
  const [, queue, ...words] = entry.split(" ");
  const group = words.join(" ");
  if (queue !== record.queue) return false;
  if (atGate && group === parkedGroup(record.task, record.queue)) return true;
  return group === groupOf(facts);
}
