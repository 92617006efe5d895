/** Whether anything is left of a queue or a task that new jobs no longer come to: asked again and again by who waits for it. */
import { inLine } from "../gauges/index.js";
import { ACTIVE_PAD_FIELD, queueOfRecord, waitingField } from "../protocol/index.js";
import { listEntries, walkJobs } from "./job-walk.js";
import type { ShardReader } from "./shard-reader.js";

/** Records read at once. */
const CHUNK = 200;

/** No job of it waits, is due later, or runs. While some wait, that is one look, and where they stand in the list its end, without their records. */
export async function isQueueEmpty(reader: ShardReader, queue: string): Promise<boolean> {
  const before = await lookAt(reader, queue);
  const holes = before.waits ? undefined : await frontOfHoles(reader, queue);
  if (holes === undefined) return false;
  // Of one moment, because a job that fails goes from the one into the other.
  const after = await lookAt(reader, queue);
  // Nothing has come into the list, which holds nothing but the ids of jobs that are over: not at its end, nor back in front.
  const isSame =
    after.pending <= before.pending && after.last === before.last && holes.has(after.first ?? "");
  // As many run as workers have places.
  return !after.waits && (after.pending === 0 || isSame) && !(await anyOf(reader, after.active, queue));
}

interface Look {
  /** Some wait at the gate, or are due later. */
  readonly waits: boolean;
  /** Ids in the pending list; cancelled and deleted jobs leave theirs there until a worker meets them. */
  readonly pending: number;
  readonly first: string | undefined;
  readonly last: string | undefined;
  readonly active: readonly string[];
}

async function lookAt(reader: ShardReader, queue: string): Promise<Look> {
  const { keys } = reader;
  const { pending, due } = keys.queue(queue);
  const [length, starts, ends, atGate, later, active] = await reader.together((reads) =>
    reads
      .llen(pending)
      .lrange(pending, 0, 0)
      .lrange(pending, -1, -1)
      .hget(keys.groups, waitingField(queue))
      .zcard(due)
      .hkeys(keys.active),
  );
  return {
    waits: Number(atGate) > 0 || Number(later) > 0,
    pending: Number(length),
    first: (starts as string[])[0],
    last: (ends as string[])[0],
    active: (active as string[]).filter((id) => id !== ACTIVE_PAD_FIELD),
  };
}

/** The ids in front of a list in which no job waits; `undefined` where one does. */
async function frontOfHoles(reader: ShardReader, queue: string): Promise<ReadonlySet<string> | undefined> {
  const { keys } = reader;
  let front: readonly string[] = [];
  for await (const entries of listEntries(reader, keys.queue(queue).pending)) {
    const ids = entries.map(({ id }) => id);
    if ((await inLine(reader.connection, keys, ids)).length > 0) return undefined;
    front = ids;
  }
  return new Set(front);
}

/** One that is gone has ended since it was seen, and may have made others. */
async function anyOf(reader: ShardReader, ids: readonly string[], queue: string): Promise<boolean> {
  for (let from = 0; from < ids.length; from += CHUNK) {
    const part = ids.slice(from, from + CHUNK);
    const records = await reader.connection.readRecords(reader.keys, part);
    if (records.some((text) => text === null || queueOfRecord(text) === queue)) return true;
  }
  return false;
}

/** The same for a task, whose jobs stand among others: reads lists until it meets one. Twice, because one that failed goes back. */
export async function isTaskEmpty(
  reader: ShardReader,
  queues: readonly string[],
  task: string,
): Promise<boolean> {
  for (let times = 0; times < 2; times += 1) {
    for (const state of LIVE_STATES)
      for await (const jobs of walkJobs(reader, queues, { task, state })) if (jobs.length > 0) return false;
  }
  return true;
}

/** In the order in which a job goes through them. */
const LIVE_STATES = ["scheduled", "retry", "pending", "active"] as const;
