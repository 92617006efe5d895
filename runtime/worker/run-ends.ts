/** Writes down how workflow runs ended. The ends of one tick travel in one call: where many runs are under way, many end together. */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { type EndedRun, type EndRunReply, endRuns } from "../scripts/index.js";

/** Ends of one call: one script must not hold Redis for long. */
const MAX_BATCH = 64;

interface Waiting {
  readonly end: EndedRun;
  /** Who holds the job that decides. */
  readonly worker: string;
  readonly written: (reply: EndRunReply) => void;
  readonly failed: (error: unknown) => void;
}

export class RunEnds {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  #waiting: Waiting[] = [];

  constructor(connection: Connection, keys: ShardKeys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** @throws what Redis refuses; sending it again is harmless. */
  written(worker: string, end: EndedRun): Promise<EndRunReply> {
    return new Promise((written, failed) => {
      this.#waiting.push({ end, worker, written, failed });
      if (this.#waiting.length === 1) process.nextTick(() => this.#flush());
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    // The lease may have been lost and made anew in between.
    for (const worker of new Set(waiting.map((one) => one.worker))) {
      const ofWorker = waiting.filter((one) => one.worker === worker);
      for (let from = 0; from < ofWorker.length; from += MAX_BATCH)
        void this.#send(worker, ofWorker.slice(from, from + MAX_BATCH));
    }
  }

  async #send(worker: string, some: readonly Waiting[]): Promise<void> {
    try {
      const ends = some.map(({ end }) => end);
      const replies = await endRuns(this.#connection, { keys: this.#keys, worker, ends });
      for (const [i, { written }] of some.entries()) written(replies[i]!);
    } catch (error) {
      for (const { failed } of some) failed(error);
    }
  }
}
