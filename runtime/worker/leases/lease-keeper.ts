/**
 * Keeps the worker's lease alive and handles the answers to heartbeats: jobs to cancel, workers that are
 * gone. It stops last, so that the worker still owns the jobs that finish during a shutdown. While the event
 * loop is blocked, a thread keeps the lease.
 *
 *   unregistered --register--> held --(LOST)--> lost --register under a new name--> held
 *
 * A name is never used again after its lease was lost, because the name is the fencing token of everything
 * the worker writes.
 */
import type { Connection, ConnectionOptions, ServerClock } from "../../connection/index.js";
import { processMetrics } from "../../metrics/index.js";
import { randomName, type ShardKeys } from "../../protocol/index.js";
import { heartbeat } from "../../scripts/index.js";
import type { Logger } from "../handler.js";
import { HeartbeatThread } from "./heartbeat-thread.js";

/** While something runs, a cancel reaches its worker within this time (ms). */
const BUSY_INTERVAL_MS = 1000;
/**
 * Fraction of the lease after which an idle worker renews it: well before `SILENCE` of lib/silence.lua, and
 * before its thread helps.
 */
const IDLE_PART = 0.45;
/** A lost hint delays a job by at most this time (ms), however long the lease. */
const LONGEST_INTERVAL_MS = 6750;
/** Spreads heartbeats (ms), so that not all workers take back the jobs of a lost worker at once. */
const SPREAD_MS = 1000;

export interface LeaseKeeperPorts {
  readonly connection: Connection;
  /** For the thread, which opens a connection of its own. */
  readonly connectionOptions: ConnectionOptions;
  readonly keys: ShardKeys;
  readonly clock: ServerClock;
  readonly leaseMs: number;
  /** How long the lease is kept while the event loop is blocked (ms). */
  readonly maxBlockMs: number;
  readonly about: Readonly<Record<string, unknown>>;
  readonly logger: Logger;
  readonly busy: () => boolean;
  /** Queues for which the worker sleeps and may have missed a hint. */
  readonly asleepFor: () => readonly string[];
  /** One of these queues has work in `inMs` milliseconds. */
  readonly onWork: (inMs: number) => void;
  readonly onCancel: (id: string) => void;
  readonly onExpiredWorkers: (workers: readonly string[]) => void;
  /**
   * The lease is lost: nothing that was held under it may be written, and nothing claimed until `onRegained`.
   */
  readonly onLost: () => void;
  /** A lease is held again, under a new name. */
  readonly onRegained: () => void;
  /** The lease was confirmed, after `lasts` had been uncertain. */
  readonly onLasting: () => void;
  /** The thread that all parts of a worker with several shards share. Default: one of its own. */
  readonly thread?: HeartbeatThread | undefined;
  /** Index of the part. Default: the only one. */
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
  /** When the queues were last checked (local monotonic time). */
  #lookedAt = performance.now();
  #beating: Promise<void> = Promise.resolve();
  #isBeating = false;
  /** When the last confirmed heartbeat was sent (local monotonic time). */
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

  /** False before the first lease was requested. */
  get isStarted(): boolean {
    return this.#isStarted;
  }

  async start(): Promise<void> {
    this.#isStarted = true;
    this.#thread.start(this.#ports.part);
    await this.#register();
    this.#plan();
  }

  /** Lease to write with a call that is sent anyway (ms); 0 when the last renewal is recent. */
  renewal(): number {
    const { leaseMs } = this.#ports;
    const now = performance.now();
    if (now - this.#renewedAt < leaseMs / 4) return 0;
    this.#renewedAt = now;
    return leaseMs;
  }

  /**
   * Whether the lease certainly lasts; if not, Redis is asked at once. A process that was suspended for
   * longer than its lease wakes up with jobs in hand that other workers hold by now, and must not start them
   * before it knows.
   */
  lasts(): boolean {
    if (performance.now() - this.#confirmedAt <= this.#ports.leaseMs) return true;
    this.#doubts = true;
    if (!this.#isBeating && !this.#stopped && this.#registering === undefined) this.#beatNow();
    return false;
  }

  /**
   * Gives up the name at once and registers under a new one. Does nothing while such a registration is under
   * way.
   */
  lost(): void {
    if (this.#registering !== undefined) return;
    const { onLost, onRegained, logger } = this.#ports;
    const name = this.#name;
    processMetrics.count("taskweft_worker_leases_lost_total", {});
    logger.error(
      "the lease of this worker ended; its jobs may run elsewhere, and their outcomes here are dropped",
      {
        worker: name,
        hint: "the process or Redis stood still longer than the lease, or Redis lost its data",
      },
    );
    this.#name = randomName();
    this.#thread.keep(undefined, this.#ports.part);
    onLost();
    this.#registering = this.#register().finally(() => {
      this.#registering = undefined;
      if (!this.#stopped)
        logger.info("worker goes on under a new name", { worker: this.#name, before: name });
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

  /**
   * @param othersEndMs time until the lease of another worker ends, whose jobs may have to be taken back
   * then; -1: unknown.
   */
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
   * Called when the worker turns busy, so that the first cancel does not wait for the long interval of an
   * idle worker. It only ever brings the next heartbeat forward: otherwise a trickle of short jobs would
   * postpone it for ever, and with it every cancel and the recovery of lost workers' jobs.
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
    // The callback calls `lasts` again, which may ask Redis once more: this heartbeat may have been sent
    // before the process was suspended.
    this.#ports.onLasting();
  }

  /**
   * No queues when they were checked recently: a paused queue with jobs in it would cause a claim in vain
   * with each check.
   */
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
