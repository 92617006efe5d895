/** Removes what was declared to expire: finished and dead jobs after their retention, idempotency keys after their ttl, events after their retention, what handlers listened to after their time. */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { sweep } from "../scripts/index.js";
import type { Logger } from "./handler.js";
import type { RunSweeper } from "./run-sweeper.js";

/** Between two times that a worker asks whether it is its turn (ms). */
const INTERVAL_MS = 60_000;
/** One worker of all sweeps in so long (ms): less than the shortest interval, or one that is alone would stand in its own way. */
const TURN_MS = 45_000;
/** Where something had expired, the worker that removed it goes on so soon (ms): more is about to. */
const SOON_MS = 10_000;
/** Bounds one script to well under a millisecond a kind. */
const BATCH = 500;

export class Janitor {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  readonly #logger: Logger;
  readonly #runs: Pick<RunSweeper, "sweep">;
  #timer: NodeJS.Timeout | undefined;
  /** It is this worker's turn, and stays so. */
  #goesOn = false;
  #sweeping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(connection: Connection, keys: ShardKeys, runs: Pick<RunSweeper, "sweep">, logger: Logger) {
    this.#connection = connection;
    this.#runs = runs;
    this.#keys = keys;
    this.#logger = logger;
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
    let turn = { forMs: TURN_MS, goesOn };
    let hasRemoved = false;
    try {
      while (!this.#stopped) {
        const swept = await sweep(this.#connection, this.#keys, BATCH, turn);
        if (swept === "SWEPT") return false;
        const most = Math.max(...Object.values(swept));
        const moreRuns = await this.#runs.sweep();
        hasRemoved ||= most > 0 || moreRuns;
        if (!moreRuns && most < BATCH) break;
        turn = { forMs: TURN_MS, goesOn: true };
      }
    } catch (error) {
      this.#logger.warn("removing expired jobs failed; trying again", { error });
    }
    return hasRemoved;
  }
}
