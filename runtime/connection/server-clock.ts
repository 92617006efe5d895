/**
 * The time of Redis as this process knows it: the local monotonic clock plus an offset learned from replies. Only for
 * showing and for naming jobs; every decision (leases, due times, expiry) is made by a script that asks Redis.
 */
export class ServerClock {
  #offsetMs = Date.now() - performance.now();

  /** Takes over the time that a reply carried: too late by as long as the reply was under way, or its call had been sent before. */
  observe(nowMs: number): void {
    this.#offsetMs = nowMs - performance.now();
  }

  /** Milliseconds since the epoch. `monotonicMs`: at that local time, of a caller that knows it already. */
  now(monotonicMs = performance.now()): number {
    return Math.round(monotonicMs + this.#offsetMs);
  }
}
