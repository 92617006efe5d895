/**
 * A worker that reports to the metrics of its process from its start to its end, and warns about queues that
 * nobody serves.
 */
import { RedisGauges } from "../gauges/index.js";
import { processMetrics, type Readings } from "../metrics/index.js";
import type { Logger } from "./handler.js";
import { QueueWatch } from "./queue-watch.js";
import type { ShardWorker } from "./worker.js";
import type { Worker } from "./worker-part.js";

/** Operations whose refused calls are counted. */
const OPERATIONS = ["claim", "discard", "hand-back", "heartbeat", "outcome", "read", "reconcile"] as const;

export interface MeasuredOptions {
  readonly concurrency: number;
  /** Names of the defined queues. */
  readonly queues: readonly string[];
  /** Names of the served queues. */
  readonly served: readonly string[];
  readonly logger: Logger;
}

export class MeasuredWorker implements Worker {
  readonly #worker: Worker;
  readonly #parts: readonly ShardWorker[];
  readonly #concurrency: number;
  readonly #gauges: RedisGauges;
  readonly #watch: QueueWatch;
  #forget: (() => void) | undefined;
  #stopping: Promise<void> | undefined;

  /** @param parts the parts of the worker, one for each shard. */
  constructor(worker: Worker, parts: readonly ShardWorker[], options: MeasuredOptions) {
    const { concurrency, queues, served, logger } = options;
    const homes = parts.map((part) => part.home);
    this.#worker = worker;
    this.#parts = parts;
    this.#concurrency = concurrency;
    this.#gauges = new RedisGauges({ shards: homes, queues });
    this.#watch = new QueueWatch({ homes, served, defined: queues, logger });
  }

  get name(): string {
    return this.#worker.name;
  }

  async start(): Promise<this> {
    await this.#worker.start();
    this.#forget = processMetrics.addSource({ read: (into) => this.#read(into) });
    this.#watch.start();
    return this;
  }

  stop(): Promise<void> {
    this.#watch.stop();
    this.#stopping ??= this.#worker.stop().finally(() => this.#forget?.());
    return this.#stopping;
  }

  async #read(into: Readings): Promise<void> {
    into.add("taskweft_worker_slots", {}, this.#concurrency);
    const used = this.#parts.reduce((sum, { slotsUsed }) => sum + slotsUsed, 0);
    into.add("taskweft_worker_slots_used", {}, used);
    // The counters start at 0, so that `increase()` sees the first event, which may be the only one.
    into.add("taskweft_worker_leases_lost_total", {}, 0);
    for (const operation of OPERATIONS) into.add("taskweft_worker_redis_errors_total", { operation }, 0);
    await this.#gauges.read(into);
  }
}
