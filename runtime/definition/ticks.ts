/**
 * The instants at which a schedule runs: a cron expression in a time zone.
 *
 * A spec that runs in every hour of a day follows elapsed time: it runs whenever the clock on the wall shows a matching
 * minute, so an hour that comes twice runs twice and an hour that is left out is left out. Any other spec follows the
 * wall clock: a time that comes twice runs at the first; a time that is left out runs at the first instant after the gap,
 * once for all that the gap swallowed. No tick is lost and none runs twice.
 */
import { type CronSpec, nextWallTime, runsEveryHour } from "./cron.js";

const DAY_MS = 86_400_000;
/** No zone changes its offset twice within this time. */
const STEP_MS = 6 * 3_600_000;
const MAX_KNOWN_OFFSETS = 4000;

/** An IANA time zone, asked for its offset from UTC. */
export class TimeZone {
  readonly name: string;
  readonly #format: Intl.DateTimeFormat;
  /** Offsets at whole steps, by the number of the step. */
  readonly #offsets = new Map<number, number>();

  /** @throws RangeError for a name that is no zone. */
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

  /** What the wall clock is ahead of UTC at an instant (ms). */
  offsetAt(instantMs: number): number {
    const step = Math.floor(instantMs / STEP_MS);
    const offsetMs = this.#offsetAtStep(step);
    return this.#offsetAtStep(step + 1) === offsetMs ? offsetMs : this.#read(instantMs);
  }

  /** The first instant that has another offset than `afterMs`, at or before `untilMs`; both no more than a step apart. */
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

/** True for names that this machine knows as a time zone: `Africa/Lagos`, `UTC`; not for offsets such as `+01:00`. */
export function isTimeZone(name: string): boolean {
  // Node also takes offsets, which do not know summer time and are not what anybody means.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return new TimeZone(name).offsetAt(0) !== undefined;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The first tick after an instant, or `undefined` when there is none any more. */
export function nextTick(spec: CronSpec, zone: TimeZone, afterMs: number): number | undefined {
  return runsEveryHour(spec) ? nextElapsed(spec, zone, afterMs) : nextOnWall(spec, zone, afterMs);
}

function nextElapsed(spec: CronSpec, zone: TimeZone, afterMs: number): number | undefined {
  let [at, inclusive] = [afterMs, false];
  for (;;) {
    const offsetMs = zone.offsetAt(at);
    const wall = nextWallTime(spec, at + offsetMs, inclusive);
    if (wall === undefined) return undefined;
    // The offset holds until it changes: then the search goes on from there, on the new clock.
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
  // In the second pass of an hour that comes twice, and where a gap swallowed several times, some ticks are over already.
  for (;;) {
    wall = nextWallTime(spec, wall);
    if (wall === undefined) return undefined;
    const instant = firstInstant(zone, wall);
    if (instant > afterMs) return instant;
  }
}

/** When the wall clock first shows a time; for a time that it leaves out, the end of the gap. */
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

/** The last tick after `afterMs`, at or before `untilMs`. Halves the time in between: a year of minutes is no long search. */
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

/** The ticks after `afterMs`, at or before `untilMs`, oldest first; of more than `limit` the last. */
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
