/**
 * Queues of a shard whose jobs wait for a worker that nobody runs: a deploy has removed the queue, or the
 * workers' queue lists leave it out. Takes three round trips, the third only if such a queue exists; none
 * reads a backlog.
 */
import type { Connection } from "../connection/index.js";
import { type ShardKeys, waitingField } from "../protocol/index.js";
import { declaredQueues, type Redis, replies } from "./replies.js";

/**
 * A queue with its numbers of waiting jobs. Ids of cancelled and deleted jobs count until a worker has passed
 * them.
 */
export interface UnservedQueue {
  readonly name: string;
  /** Jobs in the queue's list. */
  readonly pending: number;
  /** Scheduled jobs and retries. */
  readonly due: number;
  /** Jobs that wait for a limit or a turn. */
  readonly atGate: number;
}

/**
 * `known`: names of queues that exist whatever Redis says. `served`: names of the queues that the caller
 * serves.
 * @throws TaskweftError `RedisUnavailable`, `RedisRefused`.
 */
export async function readUnservedQueues(
  connection: Connection,
  keys: ShardKeys,
  { known = [], served = [] }: { readonly known?: readonly string[]; readonly served?: readonly string[] },
): Promise<readonly UnservedQueue[]> {
  const { redis } = connection;
  try {
    const names = new Set([...known, ...declaredQueues(await redis.hkeys(keys.meta))]);
    for (const name of served) names.delete(name);
    const waiting = (await readWaiting(redis, keys, [...names].toSorted())).filter(
      ({ pending, due, atGate }) => pending + due + atGate > 0,
    );
    if (waiting.length === 0) return [];
    const others = await readServed(redis, keys);
    return waiting.filter(({ name }) => !others.has(name));
  } catch (error) {
    throw connection.failure(error, "inspect");
  }
}

async function readWaiting(
  redis: Redis,
  keys: ShardKeys,
  names: readonly string[],
): Promise<readonly UnservedQueue[]> {
  if (names.length === 0) return [];
  const pipeline = redis.pipeline();
  for (const name of names) {
    const { pending, due } = keys.queue(name);
    pipeline.llen(pending).zcard(due).hget(keys.groups, waitingField(name));
  }
  const counts = await replies(pipeline);
  return names.map((name, index) => {
    const [pending, due, atGate] = counts.slice(3 * index).map(Number) as [number, number, number];
    return { name, pending, due, atGate };
  });
}

/** The queues of all workers that hold a lease, as they describe themselves. */
async function readServed(redis: Redis, keys: ShardKeys): Promise<ReadonlySet<string>> {
  const [time, leases, about] = await replies(
    redis.pipeline().time().zrange(keys.leases, 0, "-1", "WITHSCORES").hgetall(keys.workers),
  );
  const [seconds, micros] = time as [string, string];
  const now = Number(seconds) * 1000 + Number(micros) / 1000;
  const served = new Set<string>();
  for (const [index, worker] of (leases as string[]).entries()) {
    if (index % 2 === 1 || Number((leases as string[])[index + 1]) <= now) continue;
    for (const name of queuesOf((about as Record<string, string>)[worker])) served.add(name);
  }
  return served;
}

/** An unreadable description counts as no queues. */
function queuesOf(about: string | undefined): readonly string[] {
  try {
    const { queues } = JSON.parse(about ?? "{}") as { readonly queues?: readonly string[] };
    return queues ?? [];
  } catch {
    return [];
  }
}

/**
 * The unserved queues of a system, from those of its shards. A worker has a part in each shard, so a queue is
 * served in all of them or in none.
 */
export function addUnserved(shards: readonly (readonly UnservedQueue[])[]): readonly UnservedQueue[] {
  const queues = new Map<string, UnservedQueue>();
  for (const { name, pending, due, atGate } of shards.flat()) {
    const other = queues.get(name) ?? { pending: 0, due: 0, atGate: 0 };
    queues.set(name, {
      name,
      pending: pending + other.pending,
      due: due + other.due,
      atGate: atGate + other.atGate,
    });
  }
  return [...queues.values()];
}
