/**
 * Watches the deadlines of running attempts with one timer, because a timer for each attempt would cost more
 * than most handlers. A deadline is met with a tolerance of TICK_MS.
 */
import type { Execution } from "./execution.js";

const TICK_MS = 25;

export class Deadlines {
  readonly #running: ReadonlySet<Execution>;
  readonly #expired: (execution: Execution) => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(running: ReadonlySet<Execution>, expired: (execution: Execution) => void) {
    this.#running = running;
    this.#expired = expired;
  }

  /** Starts the timer, which stops when nothing runs. Cheap enough to call for every attempt. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#check(), TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    if (this.#running.size === 0) {
      this.stop();
      return;
    }
    const now = performance.now();
    for (const execution of this.#running) {
      if (execution.deadlineAt <= now) this.#expired(execution);
    }
  }
}
