/**
 * Durations as people write them: `250ms`, `30s`, `5m`, `24h`, `7d`. The only place that turns such text into
 * milliseconds.
 */

const UNITS_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A number followed by `ms`, `s`, `m`, `h` or `d`; or a number of milliseconds. */
export type Duration = `${number}${keyof typeof UNITS_MS}` | number;

export const DURATION_PATTERN = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/** Longest accepted duration: 10 years. A larger number is a mistake in the unit. */
export const MAX_DURATION_MS = 3650 * UNITS_MS.d;

/** The duration in milliseconds, or `undefined` if the text is not a duration. */
export function parseDuration(text: string | number): number | undefined {
  if (typeof text === "number") return validMs(text);
  const match = DURATION_PATTERN.exec(text);
  if (match === null) return undefined;
  return validMs(Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS]);
}

function validMs(ms: number): number | undefined {
  return Number.isFinite(ms) && ms >= 0 && ms <= MAX_DURATION_MS ? Math.round(ms) : undefined;
}

/** Longest timer of Node, 24.8 days: a longer one fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Caps a configured duration at what a Node timer accepts. */
export function timerMs(ms: number): number {
  return Math.min(ms, LONGEST_TIMER_MS);
}

/** The shortest exact spelling: 90000 is `90s`, 3600000 is `1h`. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms >= UNITS_MS[unit] && ms % UNITS_MS[unit] === 0) return `${ms / UNITS_MS[unit]}${unit}`;
  }
  return `${ms}ms`;
}
