/**
 * Looks for events that would never be removed. A script stores an event and its time of removal in one move, so
 * an event that is found without one twice has lost it.
 */
import type { ShardReader } from "../shard-reader.js";
import type { AuditFinding } from "./finding.js";
import { hashPages, pairsOf } from "./pages.js";
import { eventFindings } from "./rules/index.js";

export interface EventLook {
  readonly field: string;
  readonly findings: readonly AuditFinding[];
}

export async function lookAtEvents(reader: ShardReader): Promise<readonly EventLook[]> {
  const { events, eventsExpiry } = reader.keys;
  const suspects = new Set<string>();
  for await (const page of hashPages(reader, events)) {
    const fields = [...pairsOf(page)].map(([field]) => field);
    if (fields.length === 0) continue;
    const ends = await reader.read((redis) => redis.zmscore(eventsExpiry, ...fields));
    for (const [index, field] of fields.entries()) if (ends[index] === null) suspects.add(field);
  }
  const looks: EventLook[] = [];
  for (const field of suspects) {
    const [isKept, end] = await reader.together((reads) =>
      reads.hexists(events, field).zscore(eventsExpiry, field),
    );
    const findings = eventFindings({ field, hasEnd: isKept === 0 || end !== null });
    if (findings.length > 0) looks.push({ field, findings });
  }
  return looks;
}

/**
 * A plain write is safe: if the event is gone meanwhile, the expiry belongs to nothing and is removed in its
 * time.
 */
export async function repairEvent(reader: ShardReader, field: string, endsAt: number): Promise<void> {
  await reader.read((redis) => redis.zadd(reader.keys.eventsExpiry, "NX", endsAt, field));
}
