/**
 * Limits the single calls of a client, as the batcher limits its enqueues. A connection buffers what it
 * cannot send, for however long that takes; so at most `MOST_SENT` calls are handed to it, and the others
 * wait here, where they can be dropped at their deadline.
 *
 *   ask -> waiting --(a slot is free, and the gate open)--> sent --> answered
 *   waiting --(deadline)--> given up: it is never sent
 *   sent --(deadline)--> given up: its outcome is unknown; its slot stays taken until the answer arrives,
 *   however late
 */
import { timerMs } from "../definition/index.js";
import type { TaskweftError } from "../errors.js";

/**
 * More calls would take longer than a round trip anyone waits for; during an outage this many stay in memory.
 */
const MOST_SENT = 250;

export interface Question<Reply> {
  /** What the call waits for before it is sent; `undefined` once it may be sent. Default: nothing. */
  readonly gate?: () => Promise<void> | undefined;
  readonly call: () => Promise<Reply>;
  readonly deadlineMs: number;
  /** The error after the deadline, depending on whether the call was sent. */
  readonly silent: (isSent: boolean) => TaskweftError;
}

export class Asks {
  #free = MOST_SENT;
  /** Functions that start a waiting call, in the order of the calls. */
  readonly #waiting = new Set<() => void>();
  readonly #onIdle: (() => void)[] = [];

  /** @throws what the gate or the call throws, or `silent()` after the deadline. */
  ask<Reply>({ gate, call, deadlineMs, silent }: Question<Reply>): Promise<Reply> {
    return new Promise((resolve, reject) => {
      let [isSent, isOver] = [false, false];
      const perform = async (): Promise<void> => {
        try {
          await gate?.();
          if (isOver) return;
          isSent = true;
          resolve(await call());
        } catch (error) {
          reject(error as Error);
        } finally {
          clearTimeout(timer);
          this.#release();
        }
      };
      const start = (): void => {
        this.#free -= 1;
        void perform();
      };
      const timer = setTimeout(() => {
        isOver = true;
        this.#waiting.delete(start);
        reject(silent(isSent));
        this.#tellIdle();
      }, timerMs(deadlineMs));
      if (this.#free > 0) start();
      else this.#waiting.add(start);
    });
  }

  #release(): void {
    this.#free += 1;
    const [next] = this.#waiting;
    if (next === undefined) return this.#tellIdle();
    this.#waiting.delete(next);
    next();
  }

  #tellIdle(): void {
    if (this.#isIdle) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  get #isIdle(): boolean {
    return this.#free === MOST_SENT && this.#waiting.size === 0;
  }

  /** Resolves when every sent call has been answered and none is waiting. */
  async drained(): Promise<void> {
    while (!this.#isIdle) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}
