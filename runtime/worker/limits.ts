/** Tells the shard the limits of this deploy: those of the worker that started last count, also for jobs that wait already. */
import type { Connection } from "../connection/index.js";
import { queueLimitField } from "../definition/index.js";
import type { ShardKeys } from "../protocol/index.js";
import type { Registry } from "./handler.js";

export async function declareLimits(
  { redis }: Connection,
  keys: ShardKeys,
  { contracts, queues }: Registry,
): Promise<void> {
  const limits: (string | number)[] = [];
  const unlimited: string[] = [];
  const declare = (field: string, limit: number | undefined): void => {
    if (limit === undefined) unlimited.push(field);
    else limits.push(field, limit);
  };
  for (const { name, concurrency } of contracts) declare(name, concurrency?.limit);
  for (const { name, concurrency } of queues) declare(queueLimitField(name), concurrency);
  if (limits.length > 0) await redis.hset(keys.groups, ...limits);
  if (unlimited.length > 0) await redis.hdel(keys.groups, ...unlimited);
}
