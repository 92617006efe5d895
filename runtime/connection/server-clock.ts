/**
 * The time of Redis as this process knows it: the local monotonic clock plus an offset learned from replies. Only for
 * showing and for naming jobs; every decision (leases, due times, expiry) is made by a script that asks Redis.
 */

/** A round trip that took so long says little about the time (ms). */
const LATE_MS = 100;

export class ServerClock {
  #offsetMs = Date.now() - performance.now();
  /** Local monotonic time of the latest reply with a time. */
  #observedAt = -Infinity;

  /**
   * Takes over the time that a reply carried: too late by as long as the reply was under way, or its call had been sent before. `sentAt`:
   * local monotonic time of its call. A reply that was read late, say because the event loop was blocked, is no reason not to ask again.
   */
  observe(nowMs: number, sentAt?: number): void {
    const monotonicMs = performance.now();
    this.#offsetMs = nowMs - monotonicMs;
    this.#observedAt = monotonicMs - (sentAt ?? monotonicMs) > LATE_MS ? -Infinity : monotonicMs;
  }

  /** Whether the next call should ask for the time: in a second two clocks drift apart by less than a millisecond. */
  isOld(monotonicMs: number): boolean {
    return monotonicMs - this.#observedAt > 1000;
  }

  /** Milliseconds since the epoch. `monotonicMs`: at that local time, of a caller that knows it already. */
  now(monotonicMs = performance.now()): number {
    return Math.round(monotonicMs + this.#offsetMs);
  }
}
