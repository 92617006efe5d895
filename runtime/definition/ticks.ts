/**
 * The instants at which a schedule runs: a cron expression in a time zone.
 *
 * A spec that matches every hour of the day follows elapsed time: it runs whenever the wall clock shows a
 * matching minute, so a repeated hour runs twice and a skipped hour does not run. Any other spec follows the
 * wall clock: a repeated time runs at its first occurrence; a skipped time runs at the first instant after
 * the gap, once for all times in the gap. No tick is lost and none runs twice.
 */
import { type CronSpec, nextWallTime, runsEveryHour } from "./cron.js";

const DAY_MS = 86_400_000;
/** No time zone changes its offset twice within this time. */
const STEP_MS = 6 * 3_600_000;
const MAX_KNOWN_OFFSETS = 4000;

/** An IANA time zone and its offsets from UTC. */
export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  /** Cached offsets at multiples of `STEP_MS`, by multiple. */
  readonly #offsets = new Map<number, number>();

  /** @throws RangeError for an unknown time zone. */
  constructor(name: string) {
    this.name = name;
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  }

  /** How far the wall clock is ahead of UTC at an instant (ms). */
  offsetAt(instantMs: number): number {
    const step = Math.floor(instantMs / STEP_MS);
    const offsetMs = this.#offsetAtStep(step);
    return this.#offsetAtStep(step + 1) === offsetMs ? offsetMs : this.#read(instantMs);
  }

  /**
   * The first instant, at or before `untilMs`, whose offset differs from that at `afterMs`. The two are at
   * most one step apart.
   */
  changeBetween(afterMs: number, untilMs: number): number | undefined {
    const before = this.offsetAt(afterMs);
    if (this.offsetAt(untilMs) === before) return undefined;
    let [low, high] = [afterMs, untilMs];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (this.offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    return high;
  }

  #offsetAtStep(step: number): number {
    let offsetMs = this.#offsets.get(step);
    if (offsetMs === undefined) {
      if (this.#offsets.size >= MAX_KNOWN_OFFSETS) this.#offsets.clear();
      this.#offsets.set(step, (offsetMs = this.#read(step * STEP_MS)));
    }
    return offsetMs;
  }

  #read(instantMs: number): number {
    const part: Record<string, number> = {};
    for (const { type, value } of this.#format.formatToParts(instantMs)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instantMs / 1000) * 1000;
  }
}

/**
 * Whether this machine knows the name as a time zone, such as `Africa/Lagos` or `UTC`. False for offsets such
 * as `+01:00`.
 */
export function isTimeZone(name: string): boolean {
  // Node also accepts offsets, which have no summer time, so they are never what the user meant.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new TimeZone(name).offsetAt(0) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The first tick after an instant, or `undefined` if there is none. */
export function nextTick(spec: CronSpec, zone: TimeZone, afterMs: number): number | undefined {
  return runsEveryHour(spec) ? nextElapsed(spec, zone, afterMs) : nextOnWall(spec, zone, afterMs);
}

function nextElapsed(spec: CronSpec, zone: TimeZone, afterMs: number): number | undefined {
  let [at, inclusive] = [afterMs, false];
  for (;;) {
    const offsetMs = zone.offsetAt(at);
    const wall = nextWallTime(spec, at + offsetMs, inclusive);
    if (wall === undefined) return undefined;
    // The offset is valid until it changes; from there on, the search continues with the new one.
    let change: number | undefined;
    for (let from = at; change === undefined && from < wall - offsetMs; from += STEP_MS) {
      change = zone.changeBetween(from, Math.min(from + STEP_MS, wall - offsetMs));
    }
    if (change === undefined) return wall - offsetMs;
    [at, inclusive] = [change, true];
  }
}

function nextOnWall(spec: CronSpec, zone: TimeZone, afterMs: number): number | undefined {
  let wall: number | undefined = afterMs + zone.offsetAt(afterMs);
  // In the second pass of a repeated hour, and after a gap that swallowed several times, some ticks are in
  // the past.
  for (;;) {
    wall = nextWallTime(spec, wall);
    if (wall === undefined) return undefined;
    const instant = firstInstant(zone, wall);
    if (instant > afterMs) return instant;
  }
}

/** When the wall clock first shows a time; for a skipped time, the end of the gap. */
function firstInstant(zone: TimeZone, wallMs: number): number {
  const before = zone.offsetAt(wallMs - DAY_MS);
  if (zone.offsetAt(wallMs - before) === before) return wallMs - before;
  const after = zone.offsetAt(wallMs + DAY_MS);
  if (zone.offsetAt(wallMs - after) === after) return wallMs - after;
  for (let from = wallMs - DAY_MS; ; from += STEP_MS) {
    const change = zone.changeBetween(from, from + STEP_MS);
    if (change !== undefined) return change;
  }
}

/**
 * The last tick after `afterMs`, at or before `untilMs`. A binary search, so that a year of minutes takes few
 * steps.
 */
export function lastTick(
  spec: CronSpec,
  zone: TimeZone,
  afterMs: number,
  untilMs: number,
): number | undefined {
  let last = nextTick(spec, zone, afterMs);
  if (last === undefined || last > untilMs) return undefined;
  let high = untilMs;
  while (last < high) {
    const middle: number = Math.floor((last + high) / 2);
    const tick = nextTick(spec, zone, middle);
    if (tick !== undefined && tick <= untilMs) last = tick;
    else high = middle;
  }
  return last;
}

/**
 * The ticks after `afterMs`, at or before `untilMs`, oldest first; only the last `limit` if there are more.
 */
export function lastTicks(
  spec: CronSpec,
  zone: TimeZone,
  afterMs: number,
  untilMs: number,
  limit: number,
): number[] {
  const ticks: number[] = [];
  let tick = lastTick(spec, zone, afterMs, untilMs);
  while (tick !== undefined && ticks.length < limit) {
    ticks.unshift(tick);
    tick = lastTick(spec, zone, afterMs, tick - 1);
  }
  return ticks;
}
