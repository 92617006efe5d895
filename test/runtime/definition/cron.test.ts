import { describe, expect, test } from "vitest";
import { isTimeZone, nextWallTime, parseCron } from "../../../runtime/definition/index.js";

/** `message | hint` with the marked part of the expression in front. */
function problem(text: string): string {
  const spec = parseCron(text);
  if (!("message" in spec)) return "ok";
  const marked = text.slice(spec.start, spec.end);
  return [`[${marked}] ${spec.message}`, ...(spec.hint === undefined ? [] : [spec.hint])].join(" | ");
}

describe("a cron expression", () => {
  test("is read into lists, and has one text for all its spellings", () => {
    expect(parseCron("  */20  9-11 1,15 jan,MAR-apr/1 mon-7/2 ")).toEqual({
      text: "*/20 9-11 1,15 JAN,MAR-APR/1 MON-7/2",
      minutes: [0, 20, 40],
      hours: [9, 10, 11],
      daysOfMonth: [1, 15],
      months: [1, 3, 4],
      daysOfWeek: [0, 1, 3, 5],
    });
  });

  test.each([
    [
      "* * *",
      "[* * *] expected 5 fields, got 3 | minute, hour, day of month, month, day of week, such as 0 9 * * MON-FRI",
    ],
    [
      "0 0 * * * *",
      "[0 0 * * * *] expected 5 fields, got 6 | seconds are not supported: a schedule runs at most once a minute",
    ],
    ["@daily", "[@daily] expected 5 fields, got 1 | write 0 0 * * *"],
    ["0 24 * * *", '[24] expected 0 to 23 in the field hour, got "24"'],
    ["0 1,25 * * *", '[25] expected 0 to 23 in the field hour, got "25"'],
    ["0 0 0 * *", '[0] expected 1 to 31 in the field day of month, got "0"'],
    ["5/10 * * * *", '[5/10] a step needs a range or *, got "5/10" | write 5-59/10'],
    [
      "*/90 * * * *",
      '[*/90] expected a step from 1 to 59 in the field minute, got "90" | a step does not reach over the end of its field',
    ],
    ["*/0 * * * *", '[*/0] expected a step from 1 to 59 in the field minute, got "0"'],
    ["0 22-2 * * *", '[22-2] the range "22-2" of the field hour runs backwards | write 22-23,0-2'],
    ["0 0 30 FEB *", "[30] no month of this expression has day 30: it would never run"],
    ["0 0 31 4,6 *", "[31] no month of this expression has day 31: it would never run"],
  ])("%s is refused with its place and the way out", (text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  test.each([
    "0 0 L * *",
    "0 0 ? * *",
    "0 0 * * MON#1",
    "0 0 15W * *",
    "0 0 * * 1-",
    "- * * * *",
    "*-5 * * * *",
    ", * * * *",
    "1.5 * * * *",
  ])("%s is not read as something else", (text) => {
    expect(problem(text)).toMatch(/^\[.*\] expected \*, numbers from/);
  });

  test.each([
    ["0 0 29 2 *", "2027-01-01", "2028-02-29T00:00"],
    ["0 0 31 * *", "2027-02-01", "2027-03-31T00:00"],
    ["0 0 30 2 MON", "2027-02-01T00:00", "2027-02-08T00:00"],
    ["0 9 */2 * MON", "2027-02-01T09:00", "2027-02-03T09:00"],
    ["59 23 31 12 *", "2027-12-31T23:59", "2028-12-31T23:59"],
  ])("%s after %s is %s on the wall", (text, after, expected) => {
    const spec = parseCron(text);
    if ("message" in spec) throw new Error(spec.message);
    const next = nextWallTime(spec, Date.parse(`${after}${after.includes("T") ? "" : "T00:00"}Z`));
    expect(new Date(next!).toISOString().slice(0, 16)).toBe(expected);
  });
});

test("a time zone is a name of the tz database", () => {
  expect(["Africa/Lagos", "UTC", "America/Argentina/Buenos_Aires"].map(isTimeZone)).toEqual([
    true,
    true,
    true,
  ]);
  expect(["Africa/Lagoss", "", "+01:00", "local", "Lagos"].map(isTimeZone)).toEqual([
    false,
    false,
    false,
    false,
    false,
  ]);
});
