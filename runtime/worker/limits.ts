/** Tells the shard the limits and turns of this deploy: those of the worker that started last count, also for jobs that wait already. */
import type { Connection } from "../connection/index.js";
import { queueLimitField, rateText } from "../definition/index.js";
import { HAS_RATES_FIELD, rateField, type ShardKeys } from "../protocol/index.js";
import type { Registry } from "./handler.js";

export async function declareLimits(
  { redis }: Connection,
  keys: ShardKeys,
  { contracts, queues }: Registry,
): Promise<void> {
  const limits: (string | number)[] = [];
  const unlimited: string[] = [];
  const declare = (field: string, limit: number | string | undefined): void => {
    if (limit === undefined) unlimited.push(field);
    else limits.push(field, limit);
  };
  const declareAll = (name: string, limit: number | undefined, rate: string | undefined): void => {
    declare(name, limit);
    declare(rateField(name), rate);
    if (rate !== undefined) limits.push(HAS_RATES_FIELD, 1);
  };
  for (const { name, concurrency, rateLimit, fairnessKey } of contracts) {
    const turns = fairnessKey === undefined ? undefined : true;
    declareAll(name, concurrency?.limit, rateText({ rate: rateLimit, turns }));
  }
  for (const { name, concurrency, rateLimit } of queues)
    declareAll(queueLimitField(name), concurrency, rateText({ rate: rateLimit }));
  if (limits.length > 0) await redis.hset(keys.groups, ...limits);
  if (unlimited.length > 0) await redis.hdel(keys.groups, ...unlimited);
}
