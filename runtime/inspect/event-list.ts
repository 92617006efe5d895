/** Retained events: pages, starting with the event retained longest, and single events. See job-list.ts. */
import { HIDDEN } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { eventField, eventOfField, type KeptEvent, parseKeptEvent } from "../protocol/index.js";
import { checkedLimit, decodeCursor, encodeCursor } from "./job-list.js";
import type { ShardReader } from "./shard-reader.js";
import type { EventDetails, EventListOptions, EventPage, EventSummary, Redactor } from "./types.js";

/** Events read at once, including their payloads. */
const CHUNK = 50;
/** Events that one call looks at: a filter that matches nothing must not read a million. */
const SCAN_BUDGET = 5000;

export async function listEvents(reader: ShardReader, options: EventListOptions): Promise<EventPage> {
  const limit = checkedLimit(options.limit, "listEvents");
  let { rank } = decodeCursor(options.cursor, "listEvents");
  const found: EventSummary[] = [];
  for (let budget = SCAN_BUDGET; budget > 0;) {
    const fields = await readFields(reader, rank);
    const wanted = fields.filter(({ field }) => matches(field, options));
    const events = await summarize(reader, wanted);
    for (const { field } of fields) {
      rank++;
      const event = events.get(field);
      if (event === undefined) continue;
      found.push(event);
      if (found.length === limit) return { events: found, next: encodeCursor({ source: 0, rank }) };
    }
    if (fields.length < CHUNK) return { events: found };
    budget -= fields.length;
  }
  return { events: found, next: encodeCursor({ source: 0, rank }) };
}

function matches(field: string, { event }: EventListOptions): boolean {
  return event === undefined || eventOfField(field).event === event;
}

interface Entry {
  readonly field: string;
  readonly removedAt: number;
}

async function readFields(reader: ShardReader, rank: number): Promise<readonly Entry[]> {
  const reply = await reader.read((redis) =>
    redis.zrange(reader.keys.eventsExpiry, rank, String(rank + CHUNK - 1), "REV", "WITHSCORES"),
  );
  return Array.from({ length: reply.length / 2 }, (_unused, index) => ({
    field: reply[2 * index]!,
    removedAt: Number(reply[2 * index + 1]),
  }));
}

/** Summaries for the given fields, without events that have been removed. */
async function summarize(
  reader: ShardReader,
  entries: readonly Entry[],
): Promise<ReadonlyMap<string, EventSummary>> {
  if (entries.length === 0) return new Map();
  const fields = entries.map(({ field }) => field);
  const texts = await reader.read((redis) => redis.hmget(reader.keys.events, ...fields));
  const summaries = entries.flatMap(({ field, removedAt }, index): [string, EventSummary][] => {
    const kept = parseKeptEvent(texts[index] ?? "");
    return kept === undefined ? [] : [[field, summaryOf(field, kept, removedAt)]];
  });
  return new Map(summaries);
}

function summaryOf(field: string, { at, payload }: KeptEvent, removedAt: number): EventSummary {
  return { ...eventOfField(field), emittedAt: at, removedAt, bytes: Buffer.byteLength(payload) };
}

/** @throws TaskweftError `EventUnknown`. */
export async function showEvent(
  reader: ShardReader,
  event: string,
  id: string,
  redactor: Redactor | undefined,
): Promise<EventDetails> {
  const field = eventField(event, id);
  const { events, eventsExpiry } = reader.keys;
  const [text, removedAt] = await reader.together<string | null>((reads) =>
    reads.hget(events, field).zscore(eventsExpiry, field),
  );
  const kept = parseKeptEvent(text ?? "");
  if (kept === undefined) {
    throw new TaskweftError(
      "EventUnknown",
      `no event ${event} with the id ${id} is kept: it was never emitted here, its definition says no retention, or that has ended`,
      { operation: "showEvent" },
    );
  }
  const payload: unknown = JSON.parse(kept.payload);
  const shown = redactor === undefined ? { value: payload } : redactor.redact(event, "event", payload);
  return {
    ...summaryOf(field, kept, Number(removedAt ?? 0)),
    settled: kept.settled,
    payload: shown === undefined ? HIDDEN : shown.value,
    hidden: shown === undefined,
  };
}
