/** Whether anything is left of a queue or a task that new jobs no longer come to: asked again and again by who waits for it. */
import { ACTIVE_PAD_FIELD, queueOfRecord, waitingField } from "../protocol/index.js";
import { listJobs } from "./job-list.js";
import { transactionReplies, type ShardReader } from "./shard-reader.js";

/** Records read at once. */
const CHUNK = 200;

/** No job of it waits, is due later, or runs. While some wait, that is four numbers. */
export async function isQueueEmpty(reader: ShardReader, queue: string): Promise<boolean> {
  const { keys } = reader;
  const { pending, due } = keys.queue(queue);
  const lengths = (redis: ShardReader["connection"]["redis"]) =>
    redis.multi().llen(pending).hget(keys.groups, waitingField(queue)).zcard(due);
  const isWaiting = (replies: readonly unknown[]) => replies.slice(0, 3).some((length) => Number(length) > 0);
  if (isWaiting(transactionReplies(await reader.read((redis) => lengths(redis).exec())))) return false;
  // Of one moment, because a job that fails goes from the one into the other. As many run as workers have places.
  const replies = transactionReplies<unknown>(
    await reader.read((redis) => lengths(redis).hkeys(keys.active).exec()),
  );
  const active = (replies[3] as string[]).filter((id) => id !== ACTIVE_PAD_FIELD);
  return !isWaiting(replies) && !(await anyOf(reader, active, queue));
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

/**
 * The same for a task, whose jobs stand among others: reads lists until it meets one, a page at a time. Twice, because a job moves between
 * two pages.
 */
export async function isTaskEmpty(
  reader: ShardReader,
  queues: readonly string[],
  task: string,
): Promise<boolean> {
  for (const state of [...LIVE_STATES, ...LIVE_STATES]) {
    let cursor: string | undefined;
    do {
      const place = cursor === undefined ? {} : { cursor };
      const page = await listJobs(reader, queues, { task, state, limit: 1, ...place });
      if (page.jobs.length > 0) return false;
      cursor = page.next;
    } while (cursor !== undefined);
  }
  return true;
}

/** In the order in which a job goes through them. */
const LIVE_STATES = ["pending", "scheduled", "retry", "active"] as const;
