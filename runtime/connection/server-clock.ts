/**
 * An estimate of Redis time: the local monotonic clock plus an offset learned from replies. It serves to
 * display times and to name jobs; every decision (leases, due times, expiry) is made by a script that asks
 * Redis.
 */

/** A reply that took longer than this says little about the current time (ms). */
const LATE_MS = 100;

export class ServerClock {
  #offsetMs = Date.now() - performance.now();
  /** Local monotonic time of the latest reply that carried a time. */
  #observedAt = -Infinity;

  /**
   * Adopts the Redis time of a reply. The estimate is behind by the time that the reply was under way. A
   * reply that was read late, for example because the event loop was blocked, does not count as a recent
   * observation, so the next call asks again.
   * @param sentAt local monotonic time when the call was sent.
   */
  observe(nowMs: number, sentAt?: number): void {
    const monotonicMs = performance.now();
    this.#offsetMs = nowMs - monotonicMs;
    this.#observedAt = monotonicMs - (sentAt ?? monotonicMs) > LATE_MS ? -Infinity : monotonicMs;
  }

  /**
   * Whether the next call should ask for the time. Within a second two clocks drift apart by less than a
   * millisecond.
   */
  isOld(monotonicMs: number): boolean {
    return monotonicMs - this.#observedAt > 1000;
  }

  /**
   * Redis time in milliseconds since the epoch.
   * @param monotonicMs the local time to convert, for a caller that has it already.
   */
  now(monotonicMs = performance.now()): number {
    return Math.round(monotonicMs + this.#offsetMs);
  }
}
