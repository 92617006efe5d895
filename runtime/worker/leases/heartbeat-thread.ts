/**
 * The worker's side of the thread that renews its lease while a handler blocks the event loop. The thread
 * sends nothing while the worker renews by itself. It helps for at most `maxBlockMs` at a stretch, because a
 * worker whose event loop is blocked for ever must lose its jobs.
 *
 *   off (maxBlockMs 0, or a connection that cannot be copied to a thread) | running --(it fails)--> off
 */
import { Worker as Thread } from "node:worker_threads";
import {
  type ConnectionOptions,
  HEARTBEAT_THREAD,
  type ThreadConnection,
  threadConnection,
} from "../../connection/index.js";
import { timerMs } from "../../definition/index.js";
import type { ShardKeys } from "../../protocol/index.js";
import { heartbeatParts, heartbeatScript } from "../../scripts/index.js";
import type { Logger } from "../handler.js";

/** How often in the time of a lease the loop counts its turns and the thread checks them. */
const LOOKS_PER_LEASE = 20;
/** Indexes into the shared counters. */
const TURNS = 0;
const RENEWALS = (part: number): number => 1 + 2 * part;
const RENEWALS_OF_THREAD = (part: number): number => 2 + 2 * part;
const WITHOUT = "a handler that blocks the event loop for longer than the lease loses its jobs";

export interface HeartbeatThreadOptions {
  readonly connection: ConnectionOptions;
  /** The keys of each part's shard, or of the only one. */
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

  /**
   * Does not wait until the thread is up: the thread needs nothing from the main loop to start, and the first
   * job may block at once.
   */
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
      // The thread does not need the process's loaders (tsx, a tracer), and they are slow to start.
      execArgv: [],
      // The thread keeps one connection; by default V8 would reserve a young generation sized for a whole
      // program.
      resourceLimits: { maxYoungGenerationSizeMb: 2 },
    });
  }

  /** Sets the name whose lease the thread keeps; `undefined` while none is held. */
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

  /** The thread ends when its last part stops. */
  async stop(part = 0): Promise<void> {
    this.#parts.delete(part);
    if (this.#parts.size > 0) return;
    clearInterval(this.#timer);
    await this.#thread?.terminate();
    this.#thread = undefined;
  }

  /** Logs when the loop was blocked for longer than the lease, and whether the lease was kept. */
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
