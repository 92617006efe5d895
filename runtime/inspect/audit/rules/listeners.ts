/**
 * A handler that waits for an event can be found by it, and its listener entry has an expiry. Values of
 * events are not shown.
 */
import { parseWaitMember, waitMembers } from "../../../protocol/index.js";
import type { AuditFinding } from "../finding.js";
import type { RecordFacts } from "../facts.js";

export interface ListenerFacts {
  readonly id: string;
  readonly member: string;
  /** When the wait of its job ends (ms). Absent: the job does not wait, and an event would skip it. */
  readonly until?: number | undefined;
  /** Whether it is in `listeners`. */
  readonly isFound: boolean;
  /** Whether it is in `listeners-expiry`. */
  readonly hasEnd: boolean;
}

/** The listeners that a job must have: member -> end of the wait. */
export function listenersOfJob(id: string, record: RecordFacts, waits: string): ReadonlyMap<string, number> {
  if (record.kind !== "job") return new Map();
  return new Map(waitMembers(id, record.queue, waits).map(({ member, until }) => [member, until]));
}

export function listenerFindings(
  { id, member, until, isFound, hasEnd }: ListenerFacts,
  nowMs: number,
): readonly AuditFinding[] {
  const event = member.split(" ", 1)[0] ?? "";
  const about = { id, subject: `event ${event}` };
  if (isFound && !hasEnd) {
    const repair = "let it end in 24 h";
    return [{ code: "TW-F23", ...about, expected: "an end in listeners-expiry", found: "none", repair }];
  }
  // A listener is not required after its timeout: the job learns of the timeout with its next attempt.
  if (until === undefined || until <= nowMs || isFound) return [];
  return [
    { code: "TW-F24", ...about, expected: "its entry in listeners", found: "none", repair: "put it there" },
  ];
}

/** The job of a handler in `listeners`; `undefined` for a step of a run. */
export function listenerId(member: string): string | undefined {
  return parseWaitMember(member)?.id;
}
