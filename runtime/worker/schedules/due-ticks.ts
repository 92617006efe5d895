/**
 * Decides what to do with the ticks of a schedule that have passed, and when the next one comes. Pure
 * arithmetic.
 */
import {
  type CronSpec,
  lastTick,
  lastTicks,
  nextTick,
  MAX_CAUGHT_UP,
  type Missed,
  ON_TIME_MS,
  type TimeZone,
} from "../../definition/index.js";

export interface Timing {
  readonly spec: CronSpec;
  readonly zone: TimeZone;
}

export interface DueTicks {
  /** Oldest first. */
  readonly run: readonly number[];
  /** The newest tick that is skipped; 0 = none. */
  readonly missedMs: number;
  readonly upToMs: number;
}

/** `undefined` when no tick has passed since `lastMs`. */
export function dueTicks(
  { spec, zone }: Timing,
  missed: Missed,
  lastMs: number,
  nowMs: number,
): DueTicks | undefined {
  const newest = lastTick(spec, zone, lastMs, nowMs);
  if (newest === undefined) return undefined;
  if (missed === "skip" && nowMs - newest > ON_TIME_MS) return { run: [], missedMs: newest, upToMs: newest };
  const run = missed === "all" ? lastTicks(spec, zone, lastMs, nowMs, MAX_CAUGHT_UP) : [newest];
  const missedMs = lastTick(spec, zone, lastMs, run[0]! - 1) ?? 0;
  return { run, missedMs, upToMs: newest };
}

/** Waking up a little late is better than too early, which would cost a second check. */
const MARGIN_MS = 1;

/** How long until the next tick of any of these schedules (ms), at most `mostMs`. */
export function untilNextTick(timings: readonly Timing[], nowMs: number, mostMs: number): number {
  const next = timings.map(({ spec, zone }) => nextTick(spec, zone, nowMs) ?? Infinity);
  return Math.min(mostMs, Math.min(...next) - nowMs + MARGIN_MS);
}
