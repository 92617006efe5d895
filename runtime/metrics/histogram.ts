/**
 * Upper bounds of the buckets (ms): from handlers that only increment a counter to jobs that wait for an
 * hour.
 */
export const BOUNDS_MS = [
  1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000,
] as const;

/** Counts by bucket. Most jobs are short, so the search starts at the lowest bound. */
export class Histogram {
  /** Counts per bucket, not cumulative; the last bucket holds what exceeds all bounds. */
  readonly counts = new Float64Array(BOUNDS_MS.length + 1);
  sumMs = 0;

  observe(ms: number): void {
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && ms > BOUNDS_MS[bucket]!) bucket += 1;
    this.counts[bucket]! += 1;
    this.sumMs += ms;
  }
}
