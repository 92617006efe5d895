/**
 * Removes what has expired: finished and dead jobs after their retention, idempotency keys after their ttl,
 * events after their retention, and listeners of handlers after their timeout.
 */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { sweep } from "../scripts/index.js";
import type { Logger } from "./handler.js";

/** Time between two requests of a worker for its turn to sweep (ms). */
const INTERVAL_MS = 60_000;
/**
 * Shortest time between two sweeps of the whole fleet (ms). Less than the shortest interval, or a single
 * worker would block itself.
 */
const TURN_MS = 45_000;
/** Pause of a worker that has removed something (ms): more is about to expire. */
const SOON_MS = 10_000;
/** Bounds one script call to well under a millisecond for each kind of entry. */
const BATCH = 500;

export interface JanitorPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  /** Removes workflow runs after their retention; true when there may be more. */
  readonly sweepRuns: () => Promise<boolean>;
}

export class Janitor {
  readonly #ports: JanitorPorts;
  #timer: NodeJS.Timeout | undefined;
  /** This worker has the turn to sweep, and keeps it. */
  #goesOn = false;
  #sweeping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: JanitorPorts) {
    this.#ports = ports;
  }

  start(): void {
    // Spread out, so that workers that start together do not keep asking together.
    this.#plan(SOON_MS * (0.5 + Math.random()));
  }

  #plan(inMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#sweeping = this.#sweepAndPlan();
    }, inMs);
  }

  async #sweepAndPlan(): Promise<void> {
    this.#goesOn = await this.#sweepAll(this.#goesOn);
    this.#plan(this.#goesOn ? SOON_MS : INTERVAL_MS * (0.8 + 0.4 * Math.random()));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  /** True when something had expired: then this worker keeps the turn. */
  async #sweepAll(goesOn: boolean): Promise<boolean> {
    const { connection, keys, logger, sweepRuns } = this.#ports;
    let turn = { forMs: TURN_MS, goesOn };
    let hasRemoved = false;
    try {
      while (!this.#stopped) {
        const swept = await sweep(connection, keys, BATCH, turn);
        if (swept === "SWEPT") return false;
        const most = Math.max(...Object.values(swept));
        const moreRuns = await sweepRuns();
        hasRemoved ||= most > 0 || moreRuns;
        if (!moreRuns && most < BATCH) break;
        turn = { forMs: TURN_MS, goesOn: true };
      }
    } catch (error) {
      logger.warn("removing expired jobs failed; trying again", { error });
    }
    return hasRemoved;
  }
}
