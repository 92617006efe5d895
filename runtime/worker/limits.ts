/** Tells the shard the limits of this deploy: those of the worker that started last count, also for jobs that wait already. */
import type { Connection } from "../connection/index.js";
import type { AnyTaskContract } from "../definition/index.js";
import type { ShardKeys } from "../protocol/index.js";

export async function declareLimits(
  { redis }: Connection,
  keys: ShardKeys,
  contracts: readonly AnyTaskContract[],
): Promise<void> {
  const limits: (string | number)[] = [];
  const unlimited: string[] = [];
  for (const { name, concurrency } of contracts) {
    if (concurrency === undefined) unlimited.push(name);
    else limits.push(name, concurrency.limit);
  }
  if (limits.length > 0) await redis.hset(keys.groups, ...limits);
  if (unlimited.length > 0) await redis.hdel(keys.groups, ...unlimited);
}
