/**
 * Finds handlers that wait for an event which would not find them, and listener entries that nothing would
 * ever remove.
 */
import { waitsField } from "../../protocol/index.js";
import type { Reads } from "../../connection/index.js";
import type { ShardReader } from "../shard-reader.js";
import { recordFacts } from "./facts.js";
import type { AuditFinding } from "./finding.js";
import { pairsOf, sortedSetPages } from "./pages.js";
import { listenerFindings, type ListenerFacts, listenerId, listenersOfJob } from "./rules/index.js";

export interface ListenerLook {
  readonly facts: ListenerFacts;
  readonly findings: readonly AuditFinding[];
}

/**
 * One job after the other, because only as many exist as handlers wait. What is wrong twice is a finding.
 * `ids`: jobs that say that they wait.
 */
export async function lookAtListeners(
  reader: ShardReader,
  ids: ReadonlySet<string>,
): Promise<readonly ListenerLook[]> {
  const { listeners } = reader.keys;
  const members = new Map([...ids].map((id) => [id, new Set<string>()]));
  for await (const page of sortedSetPages(reader, listeners)) {
    for (const [member] of pairsOf(page)) {
      const id = listenerId(member);
      if (id !== undefined) members.set(id, (members.get(id) ?? new Set()).add(member));
    }
  }
  const looks: ListenerLook[] = [];
  for (const [id, own] of members) {
    const first = await look(reader, id, [...own]);
    if (first.length > 0) looks.push(...(await look(reader, id, [...own])));
  }
  return looks;
}

async function look(
  reader: ShardReader,
  id: string,
  members: readonly string[],
): Promise<readonly ListenerLook[]> {
  const { jobs, listeners, listenersExpiry, notes } = reader.keys;
  const read = (reads: Reads): Reads => reads.time(jobs).hget(jobs, id).hget(notes, waitsField(id));
  const [, record, waits] = await reader.together<string | null>(read);
  const says = listenersOfJob(id, recordFacts(record), waits ?? "");
  const all = [...new Set([...members, ...says.keys()])];
  if (all.length === 0) return [];
  const [time, , again, found, ends] = await reader.together((reads) =>
    read(reads)
      .zmscore(listeners, ...all)
      .zmscore(listenersExpiry, ...all),
  );
  // The job has received an event meanwhile; the script that delivered it keeps the entries in order.
  if (again !== waits) return [];
  const [seconds, micros] = time as [string, string];
  const nowMs = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  return all.flatMap((member, index) => {
    const isFound = (found as (string | null)[])[index] !== null;
    const hasEnd = (ends as (string | null)[])[index] !== null;
    const facts = { id, member, until: says.get(member), isFound, hasEnd };
    const findings = listenerFindings(facts, nowMs);
    return findings.length === 0 ? [] : [{ facts, findings }];
  });
}

/**
 * Plain writes are safe: if the event has come meanwhile, the added entries match nothing and are removed in
 * their time.
 */
export async function repairListener(
  reader: ShardReader,
  { member, until, isFound }: ListenerFacts,
  endsAt: number,
): Promise<void> {
  const { listeners, listenersExpiry } = reader.keys;
  await reader.read((redis) => redis.zadd(listenersExpiry, "NX", until ?? endsAt, member));
  if (!isFound) await reader.read((redis) => redis.zadd(listeners, 0, member));
}
