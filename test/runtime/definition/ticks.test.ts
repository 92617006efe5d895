// The ticks of schedules against an oracle that walks through two years minute by minute, and the policy in examples.
import { describe, expect, test } from "vitest";
import {
  type CronSpec,
  lastTick,
  lastTicks,
  nextTick,
  parseCron,
  TimeZone,
} from "../../../runtime/definition/index.js";

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 1);
const END_MS = Date.UTC(2028, 0, 1);
/** All offsets in use are multiples of 15 minutes, and so are all changes. */
const QUARTER_MS = 15 * MINUTE_MS;
const MARGIN_MS = 24 * 3_600_000;

const ZONES =
  `UTC Africa/Cairo Africa/Casablanca Africa/El_Aaiun Africa/Johannesburg Africa/Lagos America/Adak
  America/Asuncion America/Caracas America/Godthab America/Havana America/Los_Angeles America/Miquelon America/New_York
  America/Santiago America/Sao_Paulo America/Scoresbysund America/St_Johns Antarctica/Troll Asia/Beirut Asia/Dubai
  Asia/Gaza Asia/Jerusalem Asia/Kathmandu Asia/Kolkata Asia/Tehran Asia/Tokyo Atlantic/Azores Australia/Adelaide
  Australia/Lord_Howe Australia/Sydney Europe/Athens Europe/Berlin Europe/Chisinau Europe/Dublin Europe/London
  Europe/Moscow Pacific/Apia Pacific/Auckland Pacific/Chatham Pacific/Easter Pacific/Kiritimati Pacific/Norfolk`.split(
    /\s+/,
  );

/** A wall clock, as the oracle sees it. */
interface Wall {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly weekday: number;
}

/** Each spec with what it means, written a second time by hand; `elapsed`: it runs in every hour. */
const SPECS: readonly (readonly [cron: string, elapsed: boolean, matches: (wall: Wall) => boolean])[] = [
  ["*/15 * * * *", true, ({ minute }) => minute % 15 === 0],
  ["0 * * * *", true, ({ minute }) => minute === 0],
  ["20,50 * * * MON", true, ({ minute, weekday }) => minute % 30 === 20 && weekday === 1],
  ["0 0 * * *", false, ({ minute, hour }) => minute === 0 && hour === 0],
  ["15 2 * * *", false, ({ minute, hour }) => minute === 15 && hour === 2],
  ["0,30 0-3 * * *", false, ({ minute, hour }) => minute % 30 === 0 && hour <= 3],
  ["59 23 * * SUN", false, ({ minute, hour, weekday }) => minute === 59 && hour === 23 && weekday === 0],
  ["30 */2 1 * *", false, ({ minute, hour, day }) => minute === 30 && hour % 2 === 0 && day === 1],
  [
    "5 1 13 * FRI",
    false,
    ({ minute, hour, day, weekday }) => minute === 5 && hour === 1 && (day === 13 || weekday === 5),
  ],
  [
    "0 2 29 2 *",
    false,
    ({ minute, hour, day, month }) => minute === 0 && hour === 2 && day === 29 && month === 2,
  ],
];

/** Which minutes on a wall match; index 0 is MARGIN_MS before the start. */
function matchingMinutes(matches: (wall: Wall) => boolean): Uint8Array {
  const first = START_MS - MARGIN_MS;
  const found = new Uint8Array((END_MS + MARGIN_MS - first) / MINUTE_MS);
  for (let index = 0; index < found.length; index++) {
    const date = new Date(first + index * MINUTE_MS);
    const wall = {
      minute: date.getUTCMinutes(),
      hour: date.getUTCHours(),
      day: date.getUTCDate(),
      month: date.getUTCMonth() + 1,
      weekday: date.getUTCDay(),
    };
    if (matches(wall)) found[index] = 1;
  }
  return found;
}

/** Offset from UTC in minutes for each quarter of an hour, read from the text that Intl gives for it. */
const offsetsOf = memoized((zone: string): Int16Array => {
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  const offsets = new Int16Array((END_MS - START_MS) / QUARTER_MS);
  for (let index = 0; index < offsets.length; index++) {
    const text = format.format(START_MS + index * QUARTER_MS);
    const [, sign, hours, minutes] = /GMT(?:([+-])(\d\d):(\d\d))?$/.exec(text) ?? [];
    offsets[index] =
      sign === undefined ? 0 : (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
  }
  return offsets;
});

function memoized<Value>(make: (key: string) => Value): (key: string) => Value {
  const made = new Map<string, Value>();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key)!;
  };
}

/**
 * Walks through real time. An `elapsed` spec runs at each minute whose wall matches. Another one runs when the wall
 * passes a matching minute that it has not passed before, also one that it jumps over.
 */
function oracle(matching: Uint8Array, elapsed: boolean, offsets: Int16Array): number[] {
  const ticks: number[] = [];
  const wallAt = (minute: number): number =>
    minute + MARGIN_MS / MINUTE_MS + offsets[Math.floor(minute / 15)]!;
  let passed = wallAt(0);
  for (let minute = 1; minute < (END_MS - START_MS) / MINUTE_MS; minute++) {
    const wall = wallAt(minute);
    let runs = false;
    for (let one = elapsed ? wall : passed + 1; one <= wall; one++) runs ||= matching[one] === 1;
    if (runs) ticks.push(START_MS + minute * MINUTE_MS);
    passed = Math.max(passed, wall);
  }
  return ticks;
}

function specOf(cron: string): CronSpec {
  const spec = parseCron(cron);
  if ("message" in spec) throw new Error(spec.message);
  return spec;
}

function ticksOf(cron: string, zone: TimeZone, afterMs: number, untilMs: number): number[] {
  const spec = specOf(cron);
  const ticks: number[] = [];
  let tick = nextTick(spec, zone, afterMs);
  while (tick !== undefined && tick < untilMs) {
    ticks.push(tick);
    tick = nextTick(spec, zone, tick);
  }
  return ticks;
}

function texts(ticks: readonly number[]): string[] {
  return ticks.map((tick) => new Date(tick).toISOString().slice(0, 16));
}

describe("over two years, minute by minute", () => {
  const expected = SPECS.map(([cron, elapsed, matches]) => ({
    cron,
    elapsed,
    matching: matchingMinutes(matches),
  }));

  test.each(ZONES)("no tick is missing and none is extra in %s", (name) => {
    const offsets = offsetsOf(name);
    const zone = new TimeZone(name);
    for (const { cron, elapsed, matching } of expected) {
      const wanted = oracle(matching, elapsed, offsets);
      const actual = ticksOf(cron, zone, START_MS, END_MS);
      const difference = actual.findIndex((tick, index) => tick !== wanted[index]);
      expect([cron, ...texts(difference < 0 ? [] : [actual[difference]!, wanted[difference]!])]).toEqual([
        cron,
      ]);
      expect([cron, actual.length]).toEqual([cron, wanted.length]);
    }
  });

  test("the zones include many that change their clocks, at midnight and by half an hour too", () => {
    const changes = ZONES.map((name) => {
      const offsets = offsetsOf(name);
      return offsets.filter((offset, index) => index > 0 && offset !== offsets[index - 1]).length;
    });
    expect(ZONES.length).toBeGreaterThanOrEqual(40);
    expect(changes.filter((count) => count > 0).length).toBeGreaterThan(20);
  });
});

describe("when the clock on the wall jumps", () => {
  test.each([
    ["0 0 * * *", "America/Santiago", "2026-09-05T12:00Z", ["2026-09-06T04:00", "2026-09-07T03:00"]],
    ["15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", ["2026-10-03T15:30", "2026-10-04T15:15"]],
    ["30 2 * * *", "America/New_York", "2026-03-07T12:00Z", ["2026-03-08T07:00", "2026-03-09T06:30"]],
  ])("a left-out time runs at the end of the gap: %s in %s", (cron, zone, from, expected) => {
    expect(
      texts(ticksOf(cron, new TimeZone(zone), Date.parse(from), Date.parse(from) + 2.2 * 86_400_000)),
    ).toEqual(expected);
  });

  test("several times in one gap run once", () => {
    const zone = new TimeZone("America/New_York");
    const ticks = ticksOf(
      "0,30 2,3 * * *",
      zone,
      Date.parse("2026-03-08T00:00Z"),
      Date.parse("2026-03-09T00:00Z"),
    );
    expect(texts(ticks)).toEqual(["2026-03-08T07:00", "2026-03-08T07:30"]);
  });

  test("a time that comes twice runs once; a spec of every hour runs in both", () => {
    const zone = new TimeZone("America/New_York");
    const [from, until] = [Date.parse("2026-11-01T05:00Z"), Date.parse("2026-11-01T08:00Z")];
    expect(texts(ticksOf("30 1 * * *", zone, from, until))).toEqual(["2026-11-01T05:30"]);
    expect(texts(ticksOf("30 * * * *", zone, from, until))).toEqual([
      "2026-11-01T05:30",
      "2026-11-01T06:30",
      "2026-11-01T07:30",
    ]);
  });

  test("a day that a zone leaves out runs at the first instant of the next", () => {
    const zone = new TimeZone("Pacific/Apia");
    const ticks = ticksOf(
      "0 9 * * *",
      zone,
      Date.parse("2011-12-29T20:00Z"),
      Date.parse("2011-12-31T00:00Z"),
    );
    expect(texts(ticks)).toEqual(["2011-12-30T10:00", "2011-12-30T19:00"]);
  });
});

describe("the last ticks before now", () => {
  const zone = new TimeZone("Europe/Berlin");
  const until = Date.parse("2026-11-02T12:00:30Z");

  test.each(["* * * * *", "0 3 * * *", "*/5 * * 1 *", "30 2 * * SUN"])(
    "are the same as counted forward: %s",
    (cron) => {
      const from = until - 40 * 86_400_000;
      const all = ticksOf(cron, zone, from, until + 1);
      expect(lastTick(specOf(cron), zone, from, until)).toBe(all.at(-1));
      expect(lastTicks(specOf(cron), zone, from, until, 5)).toEqual(all.slice(-5));
    },
  );

  test("include one at the very instant, and none before the start", () => {
    const spec = specOf("0 12 * * *");
    const noon = Date.parse("2026-11-02T11:00Z");
    expect(lastTick(spec, zone, noon - 1, noon)).toBe(noon);
    expect(lastTick(spec, zone, noon, until)).toBeUndefined();
    expect(lastTicks(spec, zone, noon, until, 5)).toEqual([]);
  });
});
