/**
 * Writes down how steps of workflow runs ended. The ends of one tick travel in one call, which goes out before the next
 * claim: what begins with them can be claimed at once.
 *
 *   add -> waiting --(tick ends)--> under way --> written, or tried again
 */
import type { Connection } from "../connection/index.js";
import type { ShardKeys, StepEnd } from "../protocol/index.js";
import { partsOf, settleSteps } from "../scripts/index.js";
import type { Fetcher } from "./fetcher.js";
import type { Logger } from "./handler.js";

/** Ends of one call, and characters of their outcomes: each may hold a result of a megabyte. */
const BOUNDS = {
  mostItems: 64,
  sizeOf: ({ outcome }: StepEnd): number => outcome.length,
  mostSize: 256 * 1024,
} as const;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5000;

export interface StepEndsPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly logger: Logger;
  readonly worker: () => string;
  readonly fetcher: Pick<Fetcher, "forget" | "round" | "wake">;
}

export class StepEnds {
  readonly #ports: StepEndsPorts;
  readonly #underWay = new Set<Promise<void>>();
  #waiting: StepEnd[] = [];
  #closed = false;

  constructor(ports: StepEndsPorts) {
    this.#ports = ports;
  }

  add(end: StepEnd): void {
    this.#waiting.push(end);
    if (this.#waiting.length === 1) process.nextTick(() => this.#flush());
  }

  /** Resolves when it is written; for ends that another script completes. */
  async written(end: StepEnd): Promise<void> {
    const { connection, keys, worker } = this.#ports;
    await settleSteps(connection, { keys, worker: worker(), ends: [end] });
  }

  /** Resolves when everything has been written. */
  async settled(): Promise<void> {
    this.#flush();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  /** The lease is lost: what ended under it runs again elsewhere. */
  abandon(): void {
    this.#waiting = [];
  }

  close(): void {
    this.#closed = true;
  }

  #flush(): void {
    const ends = this.#waiting;
    this.#waiting = [];
    const name = this.#ports.worker();
    for (const part of partsOf(ends, BOUNDS)) {
      const run: Promise<void> = this.#write(name, part).finally(() => this.#underWay.delete(run));
      this.#underWay.add(run);
    }
    if (ends.length > 0) this.#ports.fetcher.wake();
  }

  async #write(name: string, ends: readonly StepEnd[]): Promise<void> {
    const { connection, keys, worker, fetcher, logger } = this.#ports;
    const { round } = fetcher;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      // Under a new name nothing of the old one may be written.
      if (worker() !== name) return;
      try {
        await settleSteps(connection, { keys, worker: name, ends });
        for (const { id, endsJob } of ends) if (endsJob) fetcher.forget(id, round);
        return;
      } catch (error) {
        if (this.#closed) return;
        logger.warn("writing the ends of steps failed; trying again", { error });
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }
}
