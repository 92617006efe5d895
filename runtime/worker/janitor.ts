/** Removes what was declared to expire: finished and dead jobs after their retention, idempotency keys after their ttl, events after their retention, what handlers listened to after their time. */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { sweep } from "../scripts/index.js";
import type { Logger } from "./handler.js";
import type { RunSweeper } from "./run-sweeper.js";

const INTERVAL_MS = 10_000;
/** Bounds one script to well under a millisecond a kind. */
const BATCH = 500;

export class Janitor {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  readonly #logger: Logger;
  readonly #runs: Pick<RunSweeper, "sweep">;
  #timer: NodeJS.Timeout | undefined;
  #sweeping: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(connection: Connection, keys: ShardKeys, runs: Pick<RunSweeper, "sweep">, logger: Logger) {
    this.#connection = connection;
    this.#runs = runs;
    this.#keys = keys;
    this.#logger = logger;
  }

  start(): void {
    if (this.#stopped) return;
    // Spread over the fleet, so that workers started together do not sweep together for ever.
    this.#timer = setTimeout(
      () => {
        this.#sweeping = this.#sweepAll().finally(() => this.start());
      },
      INTERVAL_MS * (0.5 + Math.random()),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#sweeping;
  }

  async #sweepAll(): Promise<void> {
    try {
      while (!this.#stopped) {
        const swept = await sweep(this.#connection, this.#keys, BATCH);
        const moreRuns = await this.#runs.sweep();
        if (!moreRuns && Math.max(...Object.values(swept)) < BATCH) return;
      }
    } catch (error) {
      this.#logger.warn("removing expired jobs failed; trying again", { error });
    }
  }
}
