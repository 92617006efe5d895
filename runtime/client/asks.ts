/**
 * Single calls of a client, bounded as its enqueues are. A connection keeps what it cannot send until it can, however long that is; so it is
 * given at most so many, and the others wait here, where they go away with their deadline.
 *
 *   ask -> waiting --(a slot is free, and the gate open)--> sent --> answered
 *   waiting --(deadline)--> given up: it is never sent
 *   sent --(deadline)--> given up: nobody knows; its slot stays taken until the answer is in, however late
 */
import { timerMs } from "../definition/index.js";
import type { TaskweftError } from "../errors.js";

/** More do not fit into a round trip that anybody waits for, and an outage keeps that many in memory. */
const MOST_SENT = 250;

export interface Question<Reply> {
  /** What it waits for before it is sent; `undefined` once nothing stands in its way. Default: nothing ever does. */
  readonly gate?: () => Promise<void> | undefined;
  readonly call: () => Promise<Reply>;
  readonly deadlineMs: number;
  /** What is said after the deadline, of a call that was sent or was not. */
  readonly silent: (isSent: boolean) => TaskweftError;
}

export class Asks {
  #free = MOST_SENT;
  /** Each starts its call. In their order. */
  readonly #waiting = new Set<() => void>();
  readonly #onIdle: (() => void)[] = [];

  /** @throws what the gate or the call throws; after the deadline what the question says. */
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

  /** Resolves when each call that was sent has been answered, and none waits. */
  async drained(): Promise<void> {
    while (!this.#isIdle) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}
