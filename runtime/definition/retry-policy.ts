/**
 * How failed attempts are retried. Pure data and arithmetic, shared by codegen (to draw the schedule), the
 * worker (to decide) and the CLI (to explain).
 */

/**
 * `none` keeps the delay, `full` draws from [0, delay], `equal` from [delay/2, delay]. AWS Architecture Blog,
 * "Exponential Backoff And Jitter" (2015).
 */
export const JITTERS = ["none", "full", "equal"] as const;
export type Jitter = (typeof JITTERS)[number];

const BACKOFF_TYPES = ["fixed", "linear", "exponential", "polynomial", "list"] as const;
export type BackoffType = (typeof BACKOFF_TYPES)[number];

/** The delay before retry n (n counts from 1), in milliseconds, before jitter. */
export type Backoff =
  /** Always `delayMs`. */
  | { readonly type: "fixed"; readonly delayMs: number; readonly jitter: Jitter }
  /** `initialMs + (n - 1) * stepMs`, at most `maxMs`. */
  | {
      readonly type: "linear";
      readonly initialMs: number;
      readonly stepMs: number;
      readonly maxMs: number;
      readonly jitter: Jitter;
    }
  /** `initialMs * factor^(n - 1)`, at most `maxMs`. */
  | {
      readonly type: "exponential";
      readonly initialMs: number;
      readonly factor: number;
      readonly maxMs: number;
      readonly jitter: Jitter;
    }
  /** `initialMs * n^exponent`, at most `maxMs`. */
  | {
      readonly type: "polynomial";
      readonly initialMs: number;
      readonly exponent: number;
      readonly maxMs: number;
      readonly jitter: Jitter;
    }
  /** `delaysMs[n - 1]`; the last entry repeats when the list is shorter than `maxRetries`. */
  | { readonly type: "list"; readonly delaysMs: readonly number[]; readonly jitter: Jitter };

export interface RetryPolicy {
  /** Retries after the first attempt; 0 runs the job once. */
  readonly maxRetries: number;
  readonly backoff: Backoff;
}

/** Cap of a backoff whose definition has no `max`: 24 hours. */
export const DEFAULT_MAX_BACKOFF_MS = 86_400_000;

/** The policy of a task if neither the task nor `defaults` defines retries. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = Object.freeze({
  maxRetries: 3,
  backoff: Object.freeze({
    type: "exponential",
    initialMs: 1000,
    factor: 2,
    maxMs: 300_000,
    jitter: "full",
  }),
});

/** The delay before retry `retry` (1 for the first retry), in milliseconds, without jitter. */
export function backoffDelayMs(backoff: Backoff, retry: number): number {
  switch (backoff.type) {
    case "fixed":
      return backoff.delayMs;
    case "linear":
      return Math.min(backoff.initialMs + (retry - 1) * backoff.stepMs, backoff.maxMs);
    case "exponential":
      return Math.min(backoff.initialMs * backoff.factor ** (retry - 1), backoff.maxMs);
    case "polynomial":
      return Math.min(backoff.initialMs * retry ** backoff.exponent, backoff.maxMs);
    case "list":
      return backoff.delaysMs[Math.min(retry, backoff.delaysMs.length) - 1] ?? 0;
  }
}

/**
 * The delay before retry `retry` with jitter applied, a whole number of milliseconds. `random` returns [0,
 * 1).
 */
export function jitteredDelayMs(backoff: Backoff, retry: number, random: () => number): number {
  const delay = backoffDelayMs(backoff, retry);
  // Also catches NaN: an `initial` of 0 times a factor that has grown to Infinity.
  if (!(delay > 0)) return 0;
  switch (backoff.jitter) {
    case "none":
      return Math.round(delay);
    case "full":
      return Math.round(delay * random());
    case "equal":
      return Math.round(delay / 2 + (delay / 2) * random());
  }
}
