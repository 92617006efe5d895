/**
 * Declares the limits and turns of this deploy to the shard. Those of the deploy whose worker started last
 * apply, also to jobs that are waiting already; when its workers have been silent for a minute, those of
 * another (see schedules/scheduler.ts).
 */
import type { Connection } from "../connection/index.js";
import { queueLimitField, rateText } from "../definition/index.js";
import { HAS_RATES_FIELD, NO_LIMIT, pausedTaskField, rateField, type ShardKeys } from "../protocol/index.js";
import type { Registry } from "./handler.js";

const MOST_OF_CLAIM = 256;
const MOST_OF_LIMITED_CLAIM = 128;

/**
 * Most jobs of one claim: one script must not hold Redis for long, and a job with a limit takes several times
 * as long.
 */
export function mostOfClaim({ contracts, queues }: Registry): number {
  const isLimited =
    contracts.some(
      ({ concurrency, rateLimit, fairnessKey }) => (concurrency ?? rateLimit ?? fairnessKey) !== undefined,
    ) || queues.some(({ concurrency, rateLimit }) => (concurrency ?? rateLimit) !== undefined);
  return isLimited ? MOST_OF_LIMITED_CLAIM : MOST_OF_CLAIM;
}

/** What a deploy says of its limits and turns, by field of `groups`; `undefined` where there is none. */
export function declaredLimits({ contracts, queues }: Registry): ReadonlyMap<string, string | undefined> {
  const declared = new Map<string, string | undefined>();
  const declareAll = (name: string, limit: number | undefined, rate: string | undefined): void => {
    declared.set(name, limit?.toString());
    declared.set(rateField(name), rate);
    if (rate !== undefined) declared.set(HAS_RATES_FIELD, "1");
  };
  for (const { name, concurrency, rateLimit, fairnessKey } of contracts) {
    const turns = fairnessKey === undefined ? undefined : true;
    declareAll(name, concurrency?.limit, rateText({ rate: rateLimit, turns }));
  }
  for (const { name, concurrency, rateLimit } of queues)
    declareAll(queueLimitField(name), concurrency, rateText({ rate: rateLimit }));
  return declared;
}

export async function declareLimits(
  { redis }: Connection,
  keys: ShardKeys,
  registry: Registry,
): Promise<void> {
  const { contracts, queues } = registry;
  const declared = declaredLimits(registry);
  const fields = [...declared.keys()];
  const stored = fields.length === 0 ? [] : await redis.hmget(keys.groups, ...fields);
  const before = new Map(fields.map((field, index) => [field, stored[index] ?? undefined]));
  // A removed limit is replaced by a marker where one is stored. If it were deleted, a producer that still
  // has the limit would restore it with its next enqueue.
  const changes = new Map<string, string>();
  for (const [field, said] of declared) {
    const limit = said ?? (before.get(field) === undefined ? undefined : NO_LIMIT);
    if (limit !== undefined && limit !== before.get(field)) changes.set(field, limit);
  }
  if (changes.size > 0) await redis.hset(keys.groups, changes);
  const isChanged = (name: string): boolean =>
    [name, rateField(name)].some((field) => before.get(field) !== undefined && changes.has(field));
  // Jobs may be waiting under limits that are higher now. As after a resume, claims look at all groups.
  for (const { name } of contracts.filter((contract) => isChanged(contract.name)))
    await redis.hsetnx(keys.paused, pausedTaskField(name), "0 ");
  // A queue has one group, of which a note says that it may have room.
  for (const { name } of queues.filter((queue) => isChanged(queueLimitField(queue.name))))
    await redis.zadd(keys.waiting, 0, `\n${name}\n${queueLimitField(name)} `);
}
