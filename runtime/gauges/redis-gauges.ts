/**
 * The gauges of a worker's metrics that are read from Redis. However often it is scraped, a process asks
 * Redis at most once a second, and no scrape waits for a Redis that does not answer.
 */
import type { Connection } from "../connection/index.js";
import { Readings, type MetricsSource, type Snapshot } from "../metrics/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { readShardGauges, type ShardGauges } from "./shard-gauges.js";

/** How long an answer is reused (ms). */
const FRESH_MS = 1000;
/** Longest wait for an answer (ms); scrapers give up after ten seconds. */
const PATIENCE_MS = 1000;

export interface RedisGaugesOptions {
  /** All shards of the system. */
  readonly shards: readonly { readonly connection: Connection; readonly keys: ShardKeys }[];
  /** Names of the queues of the definitions. */
  readonly queues: readonly string[];
}

export class RedisGauges implements MetricsSource {
  readonly #options: RedisGaugesOptions;
  #latest: readonly ShardGauges[] | undefined;
  #readAt = -Infinity;
  /** The read in progress. There is never a second one, or they would pile up while Redis is down. */
  #reading: Promise<void> | undefined;

  constructor(options: RedisGaugesOptions) {
    this.#options = options;
  }

  async read(into: Readings): Promise<void> {
    if (!this.#isFresh) {
      this.#reading ??= this.#ask().finally(() => (this.#reading = undefined));
      await settledWithin(PATIENCE_MS, this.#reading);
    }
    if (this.#latest !== undefined && this.#isFresh)
      into.addSnapshot(gaugesSnapshot(this.#latest, this.#options.queues));
    else into.add("taskweft_redis_up", {}, 0);
  }

  get #isFresh(): boolean {
    return performance.now() - this.#readAt < FRESH_MS;
  }

  async #ask(): Promise<void> {
    const { shards, queues } = this.#options;
    try {
      this.#latest = await Promise.all(
        shards.map(({ connection, keys }) => readShardGauges(connection, keys, queues)),
      );
      this.#readAt = performance.now();
    } catch {
      // `taskweft_redis_up` reports the failure; the worker's log has the reason.
      this.#latest = undefined;
    }
  }
}

/**
 * The metrics of one system, from the gauges of its shards. `defined`: names of the queues of the definitions.
 * Redis never forgets a queue, so any other is left out while it is empty and not held back. Default: all.
 */
export function gaugesSnapshot(shards: readonly ShardGauges[], defined?: readonly string[]): Snapshot {
  const readings = new Readings();
  const total = (of: (shard: ShardGauges) => number): number => shards.reduce((sum, one) => sum + of(one), 0);
  readings.add("taskweft_redis_up", {}, 1);
  for (const queue of new Set(shards.flatMap(({ queues }) => queues.map(({ name }) => name)))) {
    const parts = shards.flatMap(({ queues }) => queues.filter(({ name }) => name === queue));
    const pending = parts.reduce((sum, part) => sum + part.pending, 0);
    const scheduled = parts.reduce((sum, part) => sum + part.scheduled, 0);
    const isPaused = parts.some(({ paused }) => paused);
    const isRemoved = defined !== undefined && !defined.includes(queue);
    if (isRemoved && pending + scheduled === 0 && !isPaused) continue;
    readings.add("taskweft_job_queue_depth", { queue, state: "pending" }, pending);
    readings.add("taskweft_job_queue_depth", { queue, state: "scheduled" }, scheduled);
    const oldestMs = Math.max(...parts.map(({ oldestPendingMs }) => oldestPendingMs));
    readings.add("taskweft_job_oldest_pending_seconds", { queue }, oldestMs / 1000);
    readings.add("taskweft_queue_paused", { queue }, isPaused ? 1 : 0);
  }
  readings.add(
    "taskweft_job_active",
    {},
    total(({ active }) => active),
  );
  readings.add(
    "taskweft_job_dlq_items",
    {},
    total(({ dead }) => dead),
  );
  readings.add(
    "taskweft_run_active",
    {},
    total(({ runs }) => runs),
  );
  // A worker has a part in each shard, so the parts must not be added up.
  readings.add("taskweft_worker_alive", {}, Math.max(...shards.map(({ workers }) => workers)));
  for (const { shard, memory } of shards) {
    if (memory === undefined) continue;
    readings.add("taskweft_redis_memory_used_bytes", { shard: String(shard) }, memory.used);
    readings.add("taskweft_redis_memory_max_bytes", { shard: String(shard) }, memory.max);
  }
  return readings.snapshot;
}

async function settledWithin(ms: number, reading: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([reading, over]);
  clearTimeout(timer);
}
