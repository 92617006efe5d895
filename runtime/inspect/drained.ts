/** Whether any job is left of a draining queue or task. Polled by `drain --wait`. */
import { inLine } from "../gauges/index.js";
import { ACTIVE_PAD_FIELD, queueOfRecord, waitingField } from "../protocol/index.js";
import { listEntries, walkJobs } from "./job-walk.js";
import type { ShardReader } from "./shard-reader.js";

/** Records read at once. */
const CHUNK = 200;

/**
 * Whether no job of the queue waits, is due later, or runs. While jobs wait, this takes one look at counters,
 * or the end of the list without its records.
 */
export async function isQueueEmpty(reader: ShardReader, queue: string): Promise<boolean> {
  const before = await lookAt(reader, queue);
  const holes = before.waits ? undefined : await frontOfHoles(reader, queue);
  if (holes === undefined) return false;
  // A second look at one moment, because a failing job moves from `active` to a due set.
  const after = await lookAt(reader, queue);
  // The list contains only holes, and no job has joined it since, neither at its end nor at its front.
  const isSame =
    after.pending <= before.pending && after.last === before.last && holes.has(after.first ?? "");
  // Short: there are at most as many active jobs as workers have slots.
  return !after.waits && (after.pending === 0 || isSame) && !(await anyOf(reader, after.active, queue));
}

interface Look {
  /** Whether jobs wait at the gate or are due later. */
  readonly waits: boolean;
  /**
   * Length of the pending list, including holes: ids of cancelled and deleted jobs that a worker has not met
   * yet.
   */
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

/** The ids at the front of a list that contains only holes; `undefined` if a job is waiting in it. */
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

/**
 * A job that is gone counts as one of the queue: it has ended since it was seen, and may have enqueued
 * others.
 */
async function anyOf(reader: ShardReader, ids: readonly string[], queue: string): Promise<boolean> {
  for (let from = 0; from < ids.length; from += CHUNK) {
    const part = ids.slice(from, from + CHUNK);
    const records = await reader.connection.readRecords(reader.keys, part);
    if (records.some((text) => text === null || queueOfRecord(text) === queue)) return true;
  }
  return false;
}

/**
 * Like `isQueueEmpty`, for a task whose jobs are mixed with others: reads lists until it meets one of its
 * jobs. Runs twice, because a failing job moves backwards.
 */
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

/** In the order in which a job passes through them. */
const LIVE_STATES = ["scheduled", "retry", "pending", "active"] as const;
