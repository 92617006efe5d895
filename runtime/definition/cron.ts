/**
 * Cron expressions: five fields (minute, hour, day of month, month, day of week), parsed into lists of
 * numbers. Works on wall-clock time only; ticks.ts handles time zones. docs/schedules.md describes the
 * grammar.
 */

export interface CronSpec {
  /**
   * The expression with single spaces and capital names, so that two spellings of one spec give the same
   * text.
   */
  readonly text: string;
  /** Sorted and never empty. */
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly daysOfMonth: readonly number[];
  readonly months: readonly number[];
  /** 0 is Sunday. */
  readonly daysOfWeek: readonly number[];
}

/** What is wrong with an expression: where in its text, and what to write instead. */
export interface CronProblem {
  readonly message: string;
  readonly hint?: string;
  readonly start: number;
  readonly end: number;
}

interface Field {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** Names of the values, starting with `first`. */
  readonly words: readonly string[];
}

const MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(" ");
const DAYS = "SUN MON TUE WED THU FRI SAT".split(" ");

const FIELDS: readonly Field[] = [
  { name: "minute", first: 0, last: 59, words: [] },
  { name: "hour", first: 0, last: 23, words: [] },
  { name: "day of month", first: 1, last: 31, words: [] },
  { name: "month", first: 1, last: 12, words: MONTHS },
  // 7 is Sunday too, so that MON-SUN can be written 1-7.
  { name: "day of week", first: 0, last: 7, words: DAYS },
];

const NICKNAMES: Readonly<Record<string, string>> = {
  "@annually": "0 0 1 1 *",
  "@daily": "0 0 * * *",
  "@hourly": "0 * * * *",
  "@midnight": "0 0 * * *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@yearly": "0 0 1 1 *",
};
/** Days of each month in a leap year, so that February 29 is a valid date. */
const LONGEST_MONTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

interface Word {
  readonly text: string;
  readonly start: number;
}

class Refused extends Error {
  readonly problem: CronProblem;

  constructor(problem: CronProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

export function parseCron(text: string): CronSpec | CronProblem {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof Refused) return error.problem;
    throw error;
  }
}

function parse(text: string): CronSpec {
  const words = Array.from(text.matchAll(/\S+/g), (match): Word => ({ text: match[0], start: match.index }));
  if (words.length !== FIELDS.length) throw wrongCount(text, words);
  const [minutes = [], hours = [], daysOfMonth = [], months = [], daysOfWeek = []] = FIELDS.map(
    (field, index) => parseField(words[index]!, field),
  );
  const spec: CronSpec = {
    text: words.map((word) => word.text.toUpperCase()).join(" "),
    minutes,
    hours,
    daysOfMonth,
    months,
    daysOfWeek: sorted(daysOfWeek.map((day) => day % 7)),
  };
  const day = words[2]!;
  if (isNever(spec)) {
    throw refused(`no month of this expression has day ${spec.daysOfMonth[0]}: it would never run`, day);
  }
  return spec;
}

function wrongCount(text: string, words: readonly Word[]): Refused {
  const whole: Word = { text: text.trim(), start: text.length - text.trimStart().length };
  const nickname = words.length === 1 ? NICKNAMES[whole.text.toLowerCase()] : undefined;
  const hint =
    nickname === undefined
      ? words.length === 6
        ? "seconds are not supported: a schedule runs at most once a minute"
        : "minute, hour, day of month, month, day of week, such as 0 9 * * MON-FRI"
      : `write ${nickname}`;
  return refused(`expected 5 fields, got ${words.length}`, whole, hint);
}

function parseField(word: Word, field: Field): number[] {
  const values: number[] = [];
  let start = word.start;
  for (const text of word.text.split(",")) {
    values.push(...parseRange({ text, start }, field));
    start += text.length + 1;
  }
  return sorted(values);
}

/** Parses `*`, `5`, `MON` or `1-5`, where `*` and a range may have a step such as `/10`. */
function parseRange(part: Word, field: Field): number[] {
  const [, from, to, step] = /^(\*|\w+)(?:-(\w+))?(?:\/(\w+))?$/.exec(part.text) ?? [];
  if (from === undefined || (from === "*" && to !== undefined)) throw unreadable(part, field);
  const isAll = from === "*";
  const first = isAll ? field.first : parseValue(from, part, field);
  const last = isAll ? field.last : to === undefined ? first : parseValue(to, part, field);
  if (last < first) throw backwards(part, field);
  if (step === undefined) return range(first, last, 1);
  if (!isAll && to === undefined) {
    throw refused(
      `a step needs a range or *, got "${part.text}"`,
      part,
      `write ${from}-${field.last}/${step}`,
    );
  }
  const size = /^\d{1,4}$/.test(step) ? Number(step) : 0;
  if (size < 1 || size > last - first) {
    const message = `expected a step from 1 to ${last - first} in the field ${field.name}, got "${step}"`;
    throw refused(
      message,
      part,
      isAll && size > 1 ? "a step does not reach over the end of its field" : undefined,
    );
  }
  // With a step, `*` in the day of week must not count Sunday twice, as 0 and 7.
  return range(first, isAll && field.name === "day of week" ? 6 : last, size);
}

function parseValue(text: string, part: Word, field: Field): number {
  const word = field.words.indexOf(text.toUpperCase());
  if (word >= 0) return field.first + word;
  if (!/^\d+$/.test(text)) throw unreadable(part, field);
  const value = Number(text);
  if (value >= field.first && value <= field.last) return value;
  throw refused(
    `expected ${field.first} to ${field.last} in the field ${field.name}, got "${part.text}"`,
    part,
  );
}

function unreadable(part: Word, field: Field): Refused {
  const words = field.words.length === 0 ? "" : `, ${field.words[0]} to ${field.words.at(-1)}`;
  return refused(
    `expected *, numbers from ${field.first} to ${field.last}${words}, ranges or steps in the field ${field.name}, got "${part.text}"`,
    part,
    "L, W, # and ? of other schedulers are not supported",
  );
}

function backwards(part: Word, { name, first, last }: Field): Refused {
  const [from, to] = part.text.split("/")[0]!.split("-");
  return refused(
    `the range "${part.text}" of the field ${name} runs backwards`,
    part,
    `write ${from}-${last},${first}-${to}`,
  );
}

function refused(message: string, { text, start }: Word, hint?: string): Refused {
  return new Refused({ message, start, end: start + text.length, ...(hint === undefined ? {} : { hint }) });
}

function range(first: number, last: number, step: number): number[] {
  return Array.from(
    { length: Math.floor((last - first) / step) + 1 },
    (_unused, index) => first + index * step,
  );
}

function sorted(values: readonly number[]): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}

function isNever(spec: CronSpec): boolean {
  if (spec.daysOfWeek.length < 7) return false;
  return spec.months.every((month) => LONGEST_MONTHS[month - 1]! < spec.daysOfMonth[0]!);
}

/** True for specs that match every hour of the day: these follow elapsed time, all others the wall clock. */
export function runsEveryHour(spec: CronSpec): boolean {
  return spec.hours.length === 24;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** Two February 29ths are at most eight years apart. */
const LOOK_AHEAD_DAYS = 8 * 366;

/**
 * The first matching minute after `wallMs`, or at it if `inclusive`. Wall-clock times are encoded as if they
 * were UTC. `undefined` if there is none before the calendar ends.
 */
export function nextWallTime(spec: CronSpec, wallMs: number, inclusive = false): number | undefined {
  const from = inclusive ? Math.ceil(wallMs / MINUTE_MS) : Math.floor(wallMs / MINUTE_MS) + 1;
  const firstDay = Math.floor((from * MINUTE_MS) / DAY_MS);
  for (let day = firstDay; day < firstDay + LOOK_AHEAD_DAYS; day++) {
    if (!matchesDay(spec, day * DAY_MS)) continue;
    const time = timeOfDay(spec, day === firstDay ? from * MINUTE_MS - day * DAY_MS : 0);
    if (time !== undefined) return day * DAY_MS + time;
  }
  return undefined;
}

/** If both the day of month and the day of week are restricted, either one is enough, as in every cron. */
function matchesDay(spec: CronSpec, dayMs: number): boolean {
  const date = new Date(dayMs);
  if (!spec.months.includes(date.getUTCMonth() + 1)) return false;
  const ofMonth = spec.daysOfMonth.includes(date.getUTCDate());
  const ofWeek = spec.daysOfWeek.includes(date.getUTCDay());
  if (spec.daysOfMonth.length === 31) return ofWeek;
  return spec.daysOfWeek.length === 7 ? ofMonth : ofMonth || ofWeek;
}

/** The first matching time of day at or after `fromMs`. */
function timeOfDay({ hours, minutes }: CronSpec, fromMs: number): number | undefined {
  const fromHour = Math.floor(fromMs / HOUR_MS);
  const fromMinute = (fromMs - fromHour * HOUR_MS) / MINUTE_MS;
  for (const hour of hours) {
    if (hour < fromHour) continue;
    const minute = hour > fromHour ? minutes[0] : minutes.find((one) => one >= fromMinute);
    if (minute !== undefined) return hour * HOUR_MS + minute * MINUTE_MS;
  }
  return undefined;
}
