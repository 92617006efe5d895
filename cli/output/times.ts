/** Times and durations in a short form for tables. */

const STEPS = [
  [86_400_000, "d"],
  [3_600_000, "h"],
  [60_000, "m"],
  [1000, "s"],
] as const;

/** A duration in its largest unit: `3s`, `5m`, `2h`, `40d`; `<1s` below a second. */
export function roughly(ms: number): string {
  const step = STEPS.find(([size]) => ms >= size);
  return step === undefined ? "<1s" : `${Math.floor(ms / step[0])}${step[1]}`;
}

/** `5m ago` or `in 5m`. */
export function relative(at: number, now: number): string {
  return at > now ? `in ${roughly(at - now)}` : `${roughly(now - at)} ago`;
}

/** `2026-03-01 12:00:00.123Z`; a number outside the range of `Date` is printed unchanged. */
export function timestamp(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : date.toISOString().replace("T", " ");
}
