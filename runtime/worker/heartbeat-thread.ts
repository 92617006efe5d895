/**
 * The worker's side of the thread that renews its lease while a handler blocks the event loop. The thread sends nothing
 * while the worker renews by itself; it helps for at most `maxBlockMs` at a stretch, because a loop that is blocked for
 * ever must lose its jobs.
 *
 *   off (maxBlockMs 0, or a connection that a thread cannot make) | running --(it fails)--> off
 */
import { Worker as Thread } from "node:worker_threads";
import {
  type ConnectionOptions,
  HEARTBEAT_THREAD,
  type ThreadConnection,
  threadConnection,
} from "../connection/index.js";
import { timerMs } from "../definition/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { heartbeatParts, heartbeatScript } from "../scripts/index.js";
import type { Logger } from "./handler.js";

/** Turns of the loop that are counted, and looks of the thread, in the time of a lease. */
const LOOKS_PER_LEASE = 20;
/** Places of the shared counters. */
const TURNS = 0;
const RENEWALS = (part: number): number => 1 + 2 * part;
const RENEWALS_OF_THREAD = (part: number): number => 2 + 2 * part;
const WITHOUT = "a handler that blocks the event loop for longer than the lease loses its jobs";

export interface HeartbeatThreadOptions {
  readonly connection: ConnectionOptions;
  /** Of the shard of each part; of the only one. */
  readonly keys: ShardKeys | readonly ShardKeys[];
  readonly leaseMs: number;
  /** 0: no thread. */
  readonly maxBlockMs: number;
  readonly logger: Logger;
}

export class HeartbeatThread {
  readonly #options: HeartbeatThreadOptions;
  readonly #keys: readonly ShardKeys[];
  readonly #counters: Int32Array<SharedArrayBuffer>;
  readonly #paceMs: number;
  /** Parts whose leases are kept. */
  readonly #parts = new Set<number>();
  #thread: Thread | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turnAt = 0;
  #helped = 0;

  constructor(options: HeartbeatThreadOptions) {
    this.#options = options;
    this.#keys = [options.keys].flat();
    const places = 1 + 2 * this.#keys.length;
    this.#counters = new Int32Array(new SharedArrayBuffer(places * Int32Array.BYTES_PER_ELEMENT));
    this.#paceMs = timerMs(options.leaseMs / LOOKS_PER_LEASE);
  }

  /** Nobody waits for the thread to be up: it needs nothing of the main loop for that, and the first job may block at once. */
  start(part = 0): void {
    this.#parts.add(part);
    if (this.#timer !== undefined) return;
    const { connection, maxBlockMs, logger } = this.#options;
    this.#turnAt = performance.now();
    this.#timer = setInterval(() => this.#turn(), this.#paceMs).unref();
    if (maxBlockMs === 0) return;
    const reachable = threadConnection(connection, "heartbeat");
    if ("obstacle" in reachable) {
      logger.warn(`no heartbeat thread, because ${reachable.obstacle} cannot be copied to one; ${WITHOUT}`);
      return;
    }
    const failed = (error: unknown): void => {
      this.#thread = undefined;
      logger.warn(`no heartbeat thread, because it failed; ${WITHOUT}`, { error });
    };
    try {
      this.#thread = this.#launch(reachable).on("error", failed);
      this.#thread.unref();
    } catch (error) {
      failed(error);
    }
  }

  #launch(reachable: ThreadConnection): Thread {
    const { leaseMs, maxBlockMs } = this.#options;
    const { sha, text } = heartbeatScript;
    return new Thread(HEARTBEAT_THREAD, {
      workerData: {
        ...reachable,
        script: { sha, text },
        leaseMs,
        paceMs: this.#paceMs,
        maxBlockMs,
        counters: this.#counters,
      },
      // Loaders of the process (tsx, a tracer) are nothing to the thread, and slow to start.
      execArgv: [],
      // It keeps one connection: V8 would otherwise give it a young generation for a whole program.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
  }

  /** The name whose lease is to be kept; `undefined` while none is held. */
  keep(worker: string | undefined, part = 0): void {
    const { leaseMs } = this.#options;
    const keys = this.#keys[part]!;
    const call = worker === undefined ? null : heartbeatParts({ keys, worker, leaseMs, about: undefined });
    this.#thread?.postMessage({ part, call });
  }

  /** The worker has renewed its lease by itself. */
  renewed(part = 0): void {
    Atomics.add(this.#counters, RENEWALS(part), 1);
  }

  /** Ends with its last part. */
  async stop(part = 0): Promise<void> {
    this.#parts.delete(part);
    if (this.#parts.size > 0) return;
    clearInterval(this.#timer);
    await this.#thread?.terminate();
    this.#thread = undefined;
  }

  /** Says so when the loop stood still for a lease's time, and whether that was survived. */
  #turn(): void {
    const { leaseMs, maxBlockMs, logger } = this.#options;
    const now = performance.now();
    const blockedMs = Math.round(now - this.#turnAt - this.#paceMs);
    const helped = this.#keys.reduce(
      (sum, _keys, part) => sum + Atomics.load(this.#counters, RENEWALS_OF_THREAD(part)),
      0,
    );
    const kept = helped !== this.#helped && blockedMs < maxBlockMs;
    Atomics.add(this.#counters, TURNS, 1);
    this.#turnAt = now;
    this.#helped = helped;
    if (blockedMs < leaseMs) return;
    const fields = {
      blockedMs,
      maxBlockMs,
      hint: "do long computations in pieces, or give the task `isolate: thread`",
    };
    if (kept) logger.warn("the event loop was blocked; the heartbeat thread kept the lease", fields);
    else logger.error("the event loop was blocked for too long to keep the lease", fields);
  }
}
