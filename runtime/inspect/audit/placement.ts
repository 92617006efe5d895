/**
 * Decides from everything stored about an id where it belongs, and so what a repair does. The rules say what
 * is wrong; this file says what is right. `undefined` if the evidence does not decide: then a person must.
 *
 * A history that says how the job ended wins. Otherwise the index from which the job may run soonest keeps
 * it: its worker, the pending list, the due set. A job is never taken from a living worker.
 */
import { DEFAULT_RETENTION } from "../../definition/index.js";
import { waitingMember } from "../../protocol/index.js";
import { isOver, type JobFacts } from "./facts.js";
import { gateFindings, groupOf } from "./rules/gate.js";

export interface Placement {
  readonly record: "keep" | "none" | "tombstone";
  /** Text of the history; `undefined` for none. */
  readonly run: string | undefined;
  readonly active: boolean;
  /** Queue whose pending list contains the id, once. */
  readonly pending: string | undefined;
  /** The job's place at the gate; `undefined` leaves it unchanged. */
  readonly gate?: GatePlace | undefined;
  readonly due: { readonly queue: string; readonly at: number } | undefined;
  readonly done: number | undefined;
  readonly dead: number | undefined;
}

export interface GatePlace {
  /** As in regate.ts. */
  readonly target: "forget" | "known" | "come";
  readonly group: string;
  /** Members of `waiting` to remove. */
  readonly members: readonly string[];
}

const NOWHERE = {
  active: false,
  pending: undefined,
  due: undefined,
  done: undefined,
  dead: undefined,
} as const;
/** Retention of a completed job that has lost its time of removal (ms): long enough for a person to look. */
const KEEP_COMPLETED_MS = 24 * 3_600_000;

export function placementOf(facts: JobFacts): Placement | undefined {
  const placement = placeOf(facts);
  return placement === undefined ? undefined : withGate(facts, placement);
}

/** A job that is in no index enters its gate, instead of a list for which it has no slot. */
function withGate(facts: JobFacts, placement: Placement): Placement {
  const { id, entry, atGate, strays, pending } = facts;
  const known = entry !== undefined || strays.length > 0;
  const group = groupOf(facts);
  const own = entry === undefined || !atGate ? [] : [waitingMember(id, entry)];
  const isWrong = gateFindings(facts).length > 0;
  const elsewhere = placement.active || placement.due !== undefined || pending.size > 0;
  if (facts.record.kind === "tombstone" && placement.record === "tombstone")
    return strays.length === 0 || entry === undefined
      ? placement
      : {
          ...placement,
          gate: { target: "known", group: entry.split(" ").slice(2).join(" "), members: strays },
        };
  if (group === undefined || placement.record !== "keep") {
    const isParked = atGate && !isWrong && !elsewhere && placement.record === "keep";
    // A job that ends here keeps nothing at the gate, and a job without a limit only while its task is
    // paused.
    return known && !isParked
      ? { ...placement, gate: { target: "forget", group: "", members: [...own, ...strays] } }
      : placement;
  }
  if (elsewhere || facts.run.hole)
    return isWrong || atGate
      ? { ...placement, gate: { target: "known", group, members: [...own, ...strays] } }
      : placement;
  if (atGate && !isWrong) return placement;
  const comes = { target: "come", group, members: [...own, ...strays] } as const;
  // It waits where it belongs, and additionally elsewhere.
  return atGate && gateFindings({ ...facts, strays: [] }).length === 0
    ? { ...placement, gate: { target: "known", group, members: strays } }
    : { ...placement, pending: undefined, gate: comes };
}

function placeOf(facts: JobFacts): Placement | undefined {
  const { record, run } = facts;
  if (record.kind === "none" || record.kind === "tombstone") return placeOfNoJob(facts);
  if (record.kind !== "job") return undefined;
  if (run.state === "unreadable") return placeOfUnreadableRun(facts, record.queue);
  const keep = { ...NOWHERE, record: "keep", run: run.text } as const;
  if (isOver(facts)) return placeOfEnded(facts, keep, record.options);
  return placeOfLiving(facts, keep, record.queue);
}

/** A pending list skips an id with a tombstone, so no list has to be searched. */
function placeOfNoJob(facts: JobFacts): Placement {
  const pending = firstKey(facts.pending);
  const active = facts.owner !== undefined && facts.ownerLives;
  const record =
    pending !== undefined || (active && facts.record.kind === "tombstone") ? "tombstone" : "none";
  return { ...NOWHERE, record, run: undefined, pending, active };
}

function placeOfUnreadableRun(facts: JobFacts, queue: string): Placement | undefined {
  const keep = { ...NOWHERE, record: "keep", run: undefined } as const;
  if (facts.dead !== undefined) return { ...keep, run: '[0,0,"dead",null,[]]', dead: facts.dead };
  // Completed or cancelled: nothing tells which.
  return facts.done === undefined ? placeOfLiving(facts, keep, queue) : undefined;
}

function placeOfEnded(
  facts: JobFacts,
  keep: Placement,
  options: { readonly keepCompletedMs?: number; readonly keepDeadMs?: number },
): Placement | undefined {
  const { run, nowMs } = facts;
  // Its worker will give it up, or record another end.
  const held = facts.owner !== undefined && facts.ownerLives;
  if (held && !run.hole) return undefined;
  const keepMs =
    run.state === "completed"
      ? (options.keepCompletedMs ?? KEEP_COMPLETED_MS)
      : (options.keepDeadMs ?? DEFAULT_RETENTION.deadMs);
  if (run.state === "dead") return { ...keep, dead: facts.dead ?? facts.done ?? nowMs + keepMs };
  const done = facts.done ?? facts.dead ?? nowMs + keepMs;
  if (run.state === "completed") return { ...keep, done };
  const pending = held ? undefined : firstKey(facts.pending);
  const hole = held || pending !== undefined;
  return { ...keep, run: withHole(run.text ?? "", hole), done, pending, active: held };
}

function placeOfLiving(facts: JobFacts, keep: Placement, queue: string): Placement | undefined {
  if (facts.owner !== undefined) return { ...keep, active: true };
  if (facts.pending.size > 0) return { ...keep, pending: queue };
  if (facts.atGate) return keep;
  const at = facts.due.get(queue) ?? [...facts.due.values()][0];
  if (at !== undefined) return { ...keep, due: { queue, at } };
  // The job may have ended and lost its history: whether to run it again or to drop it is for a person to
  // decide.
  return facts.done === undefined && facts.dead === undefined ? { ...keep, pending: queue } : undefined;
}

function withHole(run: string, hole: boolean): string {
  return run.replace(/^(\[\d+,\d+,"cancelled",)(?:1|null)/, `$1${hole ? "1" : "null"}`);
}

function firstKey(map: ReadonlyMap<string, unknown>): string | undefined {
  return map.keys().next().value;
}

function staysAtGate({ atGate, run }: JobFacts, { active, pending, due, gate }: Placement): boolean {
  if (gate?.target === "come") return true;
  return (
    atGate && !active && pending === undefined && due === undefined && !run.hole && gate?.target !== "forget"
  );
}

/** Describes what a repair does. */
export function describePlacement(facts: JobFacts, placement: Placement): string {
  const { active, pending, due, done, dead } = placement;
  const where = [
    ...(active ? ["active"] : []),
    ...(done === undefined ? [] : ["done"]),
    ...(dead === undefined ? [] : ["dead"]),
    ...(pending === undefined ? [] : [`pending:${pending}`]),
    ...(staysAtGate(facts, placement) ? ["the gate"] : []),
    ...(due === undefined ? [] : [`due:${due.queue}`]),
  ];
  if (placement.record === "tombstone")
    return `write a tombstone, which goes when ${where.join(" and ")} has passed it`;
  if (placement.record === "none") return "forget the id";
  const run =
    placement.run === facts.run.text
      ? ""
      : placement.run === undefined
        ? ", without its run"
        : ", and correct its run";
  return `leave it in ${where.join(" and ")} and nowhere else${run}`;
}
