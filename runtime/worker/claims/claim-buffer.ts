/**
 * Claimed jobs that wait for a free slot, in the order of their claim. None may wait long: jobs must not be
 * stuck behind a slow handler while other workers are idle.
 */
import type { Claim } from "./claim.js";

/** How long a claimed job may wait for a slot (ms). */
const WAIT_LIMIT_MS = 100;

export class ClaimBuffer {
  readonly #onOverdue: (ids: readonly string[]) => void;
  #claims: readonly Claim[] = [];
  /** Index of the first waiting job; the ones before it have started. */
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param onOverdue gets the ids of all waiting jobs when no slot has become free for too long; they have
   * left the buffer.
   */
  constructor(onOverdue: (ids: readonly string[]) => void) {
    this.#onOverdue = onOverdue;
  }

  get waiting(): number {
    return this.#claims.length - this.#next;
  }

  add(claims: readonly Claim[]): void {
    this.#claims = this.waiting === 0 ? claims : [...this.#claims.slice(this.#next), ...claims];
    this.#next = 0;
    this.#watch();
  }

  shift(): Claim | undefined {
    return this.#next < this.#claims.length ? this.#claims[this.#next++] : undefined;
  }

  /** Empties the buffer. */
  takeIds(): readonly string[] {
    const ids = this.#claims.slice(this.#next).map((claim) => claim.id);
    this.#claims = [];
    this.#next = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return ids;
  }

  #watch(): void {
    const newest = this.#claims.at(-1);
    if (this.#timer !== undefined || newest === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#claims.includes(newest, this.#next)) this.#onOverdue(this.takeIds());
      else if (this.waiting > 0) this.#watch();
    }, WAIT_LIMIT_MS);
  }
}
