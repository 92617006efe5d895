// Checks what must hold in a shard between any two scripts, with the rules of the product's auditor. See docs/states.md.
import type { Redis } from "ioredis";
import {
  fieldOfItsRun,
  notesFacts,
  recordFacts,
  runFacts,
  type JobFacts,
} from "../../runtime/inspect/audit/facts.js";
import { FINDING_CODES, type AuditFinding } from "../../runtime/inspect/audit/finding.js";
import {
  eventFindings,
  hintFindings,
  jobFindings,
  listenerFindings,
  listenerId,
  listenersOfJob,
  workerFindings,
} from "../../runtime/inspect/audit/rules/index.js";
import {
  logField,
  parseRunEnd,
  progressField,
  runFields,
  type ShardKeys,
  waitingId,
  waitingMember,
  waitsField,
} from "../../runtime/protocol/index.js";
import { gateProblems } from "./fsck-gate.js";
import { runProblems } from "./fsck-runs.js";
import { readShard, type Shard } from "./shard.js";

/** @throws an error that lists every problem of the shard. */
export async function assertSound(redis: Redis, keys: ShardKeys): Promise<void> {
  // A command with a key: in a Cluster the connection follows the shard by it.
  await redis.exists(keys.meta);
  const shard = await readShard(redis, keys);
  const problems = problemsOf(shard);
  if (problems.length === 0) return;
  const text = JSON.stringify(shard, undefined, 1).slice(0, 8000);
  throw new Error(`the shard ${keys.tag} is not sound:\n- ${problems.join("\n- ")}\n${text}`);
}

/** What is wrong with the shard, one line each; empty when nothing is. */
export function problemsOf(shard: Shard): readonly string[] {
  const pending = pendingOf(shard);
  const members = membersOf(shard);
  const findings = [
    ...[...idsOf(shard)].flatMap((id) =>
      jobFindings(factsOf(shard, id, pending.get(id) ?? new Map(), members.get(id) ?? [])),
    ),
    ...[...new Set([...Object.values(shard.active), ...Object.keys(shard.workers)])].flatMap((name) =>
      workerFindings({
        name,
        hasLease: shard.leases[name] !== undefined,
        isKnown: shard.workers[name] !== undefined,
        active: Object.values(shard.active).filter((owner) => owner === name).length,
      }),
    ),
    ...Object.keys(shard.events).flatMap((field) =>
      eventFindings({ field, hasEnd: shard.eventsExpiry[field] !== undefined }),
    ),
    ...listenerProblems(shard),
    ...Object.entries(shard.wake).flatMap(([queue, hints]) => hintFindings(queue, hints.length)),
  ];
  return [
    ...findings.map(line),
    ...gateProblems(shard),
    ...runProblems(shard),
    // The auditor lets keys be that it does not know; a script that makes one is wrong.
    ...shard.strangers.map((key) => `no key of the protocol: ${key}`),
  ];
}

function line({ code, id = "", subject = "", expected, found }: AuditFinding): string {
  return `${code} ${id}${subject}: ${FINDING_CODES[code]}; expected ${expected}, found ${found}`;
}

function idsOf(shard: Shard): Set<string> {
  return new Set([
    ...Object.keys(shard.jobs),
    ...Object.keys(shard.runs),
    ...Object.keys(shard.active),
    ...Object.keys(shard.done),
    ...Object.keys(shard.dead),
    ...Object.values(shard.pending).flat(),
    ...shard.waiting.flatMap((member) => waitingId(member) ?? []),
    ...Object.values(shard.due).flatMap(Object.keys),
    ...shard.cancels,
    ...Object.keys(shard.waits),
    ...Object.keys(shard.notes).map((field) => field.split(" ")[0]!),
    ...Object.values(shard.keys),
  ]);
}

/** Id -> queue -> how often it stands in its pending list. */
function pendingOf(shard: Shard): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const places = new Map<string, Map<string, number>>();
  const add = (id: string, queue: string): void => {
    const counts = places.get(id) ?? new Map<string, number>();
    places.set(id, counts.set(queue, (counts.get(queue) ?? 0) + 1));
  };
  for (const [queue, ids] of Object.entries(shard.pending)) for (const id of ids) add(id, queue);
  return places;
}

/** Id -> where it stands in `waiting`. */
function membersOf({ waiting }: Shard): ReadonlyMap<string, readonly string[]> {
  const members = new Map<string, string[]>();
  for (const member of waiting) {
    const id = waitingId(member);
    if (id !== undefined) members.set(id, [...(members.get(id) ?? []), member]);
  }
  return members;
}

/** Handlers that wait for events, by what their jobs say and by what an emit would find. */
function listenerProblems({
  jobs,
  listeners,
  listenersExpiry,
  notes,
  nowMs,
}: Shard): readonly AuditFinding[] {
  const says = new Map(
    Object.entries(notes).flatMap(([field, text]) => {
      const [id = "", kind] = field.split(" ");
      return kind === "waits" ? [...listenersOfJob(id, recordFacts(jobs[id]), text)] : [];
    }),
  );
  const all = new Set([...listeners, ...says.keys()]);
  return [...all].flatMap((member) => {
    const id = listenerId(member);
    if (id === undefined) return [];
    const isFound = listeners.includes(member);
    const hasEnd = listenersExpiry[member] !== undefined;
    return listenerFindings({ id, member, until: says.get(member), isFound, hasEnd }, nowMs);
  });
}

/** A workflow run that has not ended. */
function isUnderWay({ workflows }: Shard, id: string): boolean {
  return workflows[id] !== undefined && parseRunEnd(workflows[runFields.state(id)] ?? null) === undefined;
}

/** Whether a job is a step of a run that does not go on, or is gone. */
function isOfHaltedRun({ jobs, workflows }: Shard, id: string): boolean {
  const record = recordFacts(jobs[id]);
  const run = record.kind === "job" ? record.options.run : undefined;
  return run !== undefined && (workflows[run] === undefined || workflows[runFields.state(run)] !== undefined);
}

function factsOf(
  shard: Shard,
  id: string,
  pending: JobFacts["pending"],
  members: readonly string[],
): JobFacts {
  const owner = shard.active[id];
  const entry = shard.limited[id];
  const own = entry === undefined ? undefined : waitingMember(id, entry);
  return {
    id,
    entry,
    atGate: own !== undefined && members.includes(own),
    strays: members.filter((member) => member !== own),
    nowMs: shard.nowMs,
    record: recordFacts(shard.jobs[id]),
    run: runFacts(shard.runs[id]),
    owner,
    ownerLives: owner !== undefined && (shard.leases[owner] ?? 0) > shard.nowMs,
    done: shard.done[id],
    dead: shard.dead[id],
    due: new Map(
      Object.entries(shard.due).flatMap(([queue, due]) => (due[id] === undefined ? [] : [[queue, due[id]]])),
    ),
    pending,
    cancelAsked: shard.cancels.includes(id),
    awaited: shard.waits[id] !== undefined && !isUnderWay(shard, id),
    notes: notesFacts(shard.notes[id], shard.notes[progressField(id)], shard.notes[waitsField(id)]),
    logged: shard.notes[logField(id)] !== undefined,
    ofRun: shard.workflows[fieldOfItsRun(id)] !== undefined,
    ofHaltedRun: entry === undefined && isOfHaltedRun(shard, id),
    keys: Object.entries(shard.keys)
      .filter(([, keyOwner]) => keyOwner === id)
      .map(([field]) => ({ field, ends: shard.keysExpiry[field] !== undefined })),
  };
}
