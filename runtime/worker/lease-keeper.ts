/**
 * Keeps the worker's lease alive and listens to what the heartbeat answers: jobs to cancel, workers that are gone. It is
 * the last thing to stop, so that jobs finishing during a shutdown are still the worker's own. While the event loop is blocked,
 * a thread keeps the lease.
 *
 *   unregistered --register--> held --(LOST)--> lost --register under a new name--> held
 *
 * A name is never used again after its lease was lost: the name is the fencing token of everything the worker writes.
 */
import type { Connection, ConnectionOptions, ServerClock } from "../connection/index.js";
import { processMetrics } from "../metrics/index.js";
import { randomName, type ShardKeys } from "../protocol/index.js";
import { heartbeat } from "../scripts/index.js";
import type { Logger } from "./handler.js";
import { HeartbeatThread } from "./heartbeat-thread.js";

/** While something runs, a cancel reaches its worker within this time (ms). */
const BUSY_INTERVAL_MS = 1000;
/** Part of the lease after which a worker with nothing to do renews it: well before `SILENCE` of lib/silence.lua, and before its thread helps. */
const IDLE_PART = 0.45;
/** A hint that was lost delays a job by so long at most (ms), however long the lease. */
const LONGEST_INTERVAL_MS = 6750;
/** Not all workers take back the jobs of one that is gone at once (ms). */
const SPREAD_MS = 1000;

export interface LeaseKeeperPorts {
  readonly connection: Connection;
  /** For the thread, which connects by itself. */
  readonly connectionOptions: ConnectionOptions;
  readonly keys: ShardKeys;
  readonly clock: ServerClock;
  readonly leaseMs: number;
  /** How long a blocked event loop keeps the lease (ms). */
  readonly maxBlockMs: number;
  readonly about: Readonly<Record<string, unknown>>;
  readonly logger: Logger;
  readonly busy: () => boolean;
  /** Queues for which the worker sleeps: it may have missed a hint. */
  readonly asleepFor: () => readonly string[];
  /** There is work in them in so many ms. */
  readonly onWork: (inMs: number) => void;
  readonly onCancel: (id: string) => void;
  readonly onExpiredWorkers: (workers: readonly string[]) => void;
  /** The lease is gone: nothing that was held under it may be written, nothing claimed until `onRegained`. */
  readonly onLost: () => void;
  /** A lease is held again, under a new name. */
  readonly onRegained: () => void;
  /** The lease lasts, after `lasts` had doubts. */
  readonly onLasting: () => void;
  /** That of all parts of a worker with several shards. Default: one of its own. */
  readonly thread?: HeartbeatThread | undefined;
  /** Which part this is. Default: the only one. */
  readonly part?: number;
}

export class LeaseKeeper {
  readonly #ports: LeaseKeeperPorts;
  readonly #thread: HeartbeatThread;
  #name = randomName();
  #renewedAt = 0;
  #timer: NodeJS.Timeout | undefined;
  /** When the next heartbeat is planned (local monotonic time); in the past while one is under way. */
  #nextAt = Infinity;
  /** When the queues were looked at last (local monotonic time). */
  #lookedAt = performance.now();
  #beating: Promise<void> = Promise.resolve();
  #isBeating = false;
  /** When the heartbeat was sent that was confirmed last (local monotonic time). */
  #confirmedAt = 0;
  #doubts = false;
  #registering: Promise<void> | undefined;
  #isStarted = false;
  #stopped = false;

  constructor(ports: LeaseKeeperPorts) {
    this.#ports = ports;
    this.#thread = ports.thread ?? new HeartbeatThread({ ...ports, connection: ports.connectionOptions });
  }

  get name(): string {
    return this.#name;
  }

  /** False as long as no lease can be held. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  async start(): Promise<void> {
    this.#isStarted = true;
    this.#thread.start(this.#ports.part);
    await this.#register();
    this.#plan();
  }

  /** Lease to write with a call that goes out anyway (ms); 0 when the last renewal is recent. */
  renewal(): number {
    const { leaseMs } = this.#ports;
    const now = performance.now();
    if (now - this.#renewedAt < leaseMs / 4) return 0;
    this.#renewedAt = now;
    return leaseMs;
  }

  /**
   * Whether the lease surely lasts; if not, Redis is asked at once. A process that stood still for longer than its lease wakes with
   * jobs in hand that others have by now: it must not start them before it knows.
   */
  lasts(): boolean {
    if (performance.now() - this.#confirmedAt <= this.#ports.leaseMs) return true;
    this.#doubts = true;
    if (!this.#isBeating && !this.#stopped && this.#registering === undefined) this.#beatNow();
    return false;
  }

  /** Gives up the name at once and registers under a new one. Once is enough while that is under way. */
  lost(): void {
    if (this.#registering !== undefined) return;
    const { onLost, onRegained, logger } = this.#ports;
    const name = this.#name;
    processMetrics.count("taskweft_worker_leases_lost_total", {});
    logger.error(
      "the lease of this worker ended; its jobs may run elsewhere, and their outcomes here are dropped",
      {
        worker: name,
        hint: "the process or Redis stood still longer than the lease",
      },
    );
    this.#name = randomName();
    this.#thread.keep(undefined, this.#ports.part);
    onLost();
    this.#registering = this.#register().finally(() => {
      this.#registering = undefined;
      onRegained();
    });
  }

  /** Resolves once a lease is held under the current name. */
  async registered(): Promise<void> {
    await this.#registering;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#beating;
    await this.#thread.stop(this.#ports.part);
  }

  /** `othersEndMs`: until the lease of another worker ends, which then may have jobs to take back; -1: not known. */
  #plan(othersEndMs = -1): void {
    if (this.#stopped) return;
    const busy = this.#intervalMs(true);
    const othersMs = othersEndMs < 0 ? Infinity : othersEndMs + Math.random() * Math.min(SPREAD_MS, busy);
    const intervalMs = Math.min(
      this.#intervalMs(this.#ports.busy() || this.#doubts),
      Math.max(busy, othersMs),
    );
    this.#nextAt = performance.now() + intervalMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beatNow(), intervalMs);
  }

  #beatNow(): void {
    clearTimeout(this.#timer);
    this.#isBeating = true;
    this.#beating = this.#beat();
  }

  #intervalMs(busy: boolean): number {
    const { leaseMs } = this.#ports;
    return busy
      ? Math.min(BUSY_INTERVAL_MS, leaseMs / 3)
      : Math.min(LONGEST_INTERVAL_MS, IDLE_PART * leaseMs);
  }

  /**
   * Called when the worker turns busy, so that the first cancel does not wait for an idle worker's long interval. Only
   * ever brings the next heartbeat forward: a trickle of short jobs would put it off for ever, and with it every cancel
   * and the recovery of lost workers' jobs.
   */
  hurry(): void {
    if (this.#timer === undefined || this.#nextAt <= performance.now() + this.#intervalMs(true)) return;
    this.#plan();
  }

  async #beat(): Promise<void> {
    const { connection, keys, clock, leaseMs, logger, onCancel, onExpiredWorkers, onWork } = this.#ports;
    await this.#registering;
    const worker = this.#name;
    let othersEndMs = -1;
    const sentAt = performance.now();
    try {
      const queues = this.#queuesToLookAt();
      const beat = await heartbeat(connection, { keys, worker, leaseMs, about: undefined, queues });
      if (beat === "LOST") {
        if (worker === this.#name) this.lost();
      } else {
        this.#renewedAt = performance.now();
        if (worker === this.#name) this.#confirmedAt = sentAt;
        this.#thread.renewed(this.#ports.part);
        clock.observe(beat.nowMs);
        for (const id of beat.cancels) onCancel(id);
        const others = beat.expired.filter((name) => name !== this.#name);
        if (others.length > 0) onExpiredWorkers(others);
        if (beat.workMs >= 0) onWork(beat.workMs);
        othersEndMs = beat.nextEndMs;
      }
    } catch (error) {
      if (!this.#stopped) {
        processMetrics.count("taskweft_worker_redis_errors_total", { operation: "heartbeat" });
        logger.warn("a heartbeat failed; trying again", { error });
      }
    }
    this.#isBeating = false;
    this.#plan(othersEndMs);
    if (!this.#doubts || this.#confirmedAt !== sentAt) return;
    this.#doubts = false;
    // Whoever hears it asks again, and so at once: this heartbeat may have been sent before the process stood still.
    this.#ports.onLasting();
  }

  /** None where they were looked at lately: where a queue is paused with jobs in it, each look leads to a claim in vain. */
  #queuesToLookAt(): readonly string[] {
    const now = performance.now();
    if (now - this.#lookedAt < this.#intervalMs(false) / 2) return [];
    const queues = this.#ports.asleepFor();
    if (queues.length > 0) this.#lookedAt = now;
    return queues;
  }

  async #register(): Promise<void> {
    const { connection, keys, clock, leaseMs, about, logger } = this.#ports;
    for (;;) {
      const sentAt = performance.now();
      try {
        const beat = await heartbeat(connection, {
          keys,
          worker: this.#name,
          leaseMs,
          about: JSON.stringify({ ...about, leaseMs, startedAt: clock.now() }),
        });
        if (beat !== "LOST") clock.observe(beat.nowMs);
        this.#renewedAt = performance.now();
        this.#confirmedAt = sentAt;
        this.#thread.keep(this.#name, this.#ports.part);
        return;
      } catch (error) {
        if (this.#stopped) return;
        logger.warn("registering the worker failed; trying again", { error });
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }
}
