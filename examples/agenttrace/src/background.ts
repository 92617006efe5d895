/**
 * Enqueues that nobody waits for, and that nobody forgets either: how many are under way is known and bounded, each that
 * fails is reported with what it was, and `settled` lets a process that ends wait for the rest.
 */

export interface LostEnqueue {
  readonly task: string;
  readonly payload: unknown;
  /** A TaskweftError says in `code` what happened, such as `RedisUnavailable`, `QueueFull` or `OutcomeUnknown`. */
  readonly error: unknown;
}

export class Background {
  /** Enqueues that failed since the start. */
  lost = 0;
  readonly #report: (lost: LostEnqueue) => void;
  readonly #underWay = new Set<Promise<void>>();

  /** `report` hears of every enqueue that failed; what it does with the payload (a log, a file, a disk queue) is up to it. */
  constructor(report: (lost: LostEnqueue) => void) {
    this.#report = report;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** Starts the enqueue and returns at once. */
  add<Payload>(task: string, enqueue: (payload: Payload) => Promise<unknown>, payload: Payload): void {
    const running = this.#watch(task, enqueue, payload);
    this.#underWay.add(running);
    void running.then(() => this.#underWay.delete(running));
  }

  /** Resolves when nothing is under way. Never rejects: what failed was reported. */
  async settled(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  async #watch<Payload>(
    task: string,
    enqueue: (payload: Payload) => Promise<unknown>,
    payload: Payload,
  ): Promise<void> {
    try {
      await enqueue(payload);
    } catch (error) {
      this.lost += 1;
      this.#report({ task, payload, error });
    }
  }
}
