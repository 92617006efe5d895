import { expect, test } from "vitest";
import { type Missed, timingOf } from "../../../runtime/definition/index.js";
import { dueTicks, untilNextTick } from "../../../runtime/worker/schedules/due-ticks.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOON = Date.UTC(2026, 5, 1, 12);
const hourly = timingOf({ cron: "0 * * * *", timezone: "UTC" });

test.each<[Missed, number, number, ReturnType<typeof dueTicks>]>([
  ["latest", NOON, NOON + HOUR_MS - 1, undefined],
  ["latest", NOON - 1, NOON, { run: [NOON], missedMs: 0, upToMs: NOON }],
  ["skip", NOON - 1, NOON + 1.5 * MINUTE_MS, { run: [NOON], missedMs: 0, upToMs: NOON }],
  ["skip", NOON - 1, NOON + 1.5 * MINUTE_MS + 1, { run: [], missedMs: NOON, upToMs: NOON }],
  ["skip", NOON - HOUR_MS - 1, NOON, { run: [NOON], missedMs: NOON - HOUR_MS, upToMs: NOON }],
  [
    "latest",
    NOON - 3 * HOUR_MS,
    NOON + 9 * MINUTE_MS,
    { run: [NOON], missedMs: NOON - HOUR_MS, upToMs: NOON },
  ],
  ["all", NOON - 2 * HOUR_MS, NOON, { run: [NOON - HOUR_MS, NOON], missedMs: 0, upToMs: NOON }],
])("missed: %s, settled up to %d, at %d", (missed, lastMs, nowMs, expected) => {
  expect(dueTicks(hourly, missed, lastMs, nowMs)).toEqual(expected);
});

test("a worker looks just after the nearest tick, and every so often in any case", () => {
  const daily = timingOf({ cron: "2 12 * * *", timezone: "UTC" });
  expect(untilNextTick([hourly, daily], NOON, HOUR_MS)).toBe(2 * MINUTE_MS + 1);
  expect(untilNextTick([hourly, daily], NOON - 1, HOUR_MS)).toBe(2);
  expect(untilNextTick([hourly, daily], NOON, MINUTE_MS)).toBe(MINUTE_MS);
});
