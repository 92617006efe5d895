/** Removes what was declared to expire: finished and dead jobs after their retention, idempotency keys after their ttl, events after their retention, what handlers listened to after their time. */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { sweep } from "../scripts/index.js";
import type { Logger } from "./handler.js";

/** Between two times that a worker asks whether it is its turn (ms). */
const INTERVAL_MS = 60_000;
/** One worker of all sweeps in so long (ms): less than the shortest interval, or one that is alone would stand in its own way. */
const TURN_MS = 45_000;
/** Where something had expired, the worker that removed it goes on so soon (ms): more is about to. */
const SOON_MS = 10_000;
/** Bounds one script to well under a millisecond a kind. */
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
  /** It is this worker's turn, and stays so. */
  #goesOn = false;
  #sweeping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: JanitorPorts) {
    this.#ports = ports;
  }

  start(): void {
    // Workers that start together must not ask together for ever.
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

  /** True when something had expired: then it goes on being this worker's turn. */
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
