/** Checks of single options. Each error states what was expected and what was found. */
import { inspect } from "node:util";
import { MAX_SHARDS, PREFIX_PATTERN } from "./protocol/index.js";
import { parseDuration } from "./definition/index.js";
import { TaskweftError } from "./errors.js";

export function optionInvalid(name: string, expected: string, got: unknown): TaskweftError {
  return optionRefused(name, expected, inspect(got));
}

/** For values that may be sensitive: describes the value instead of showing it. */
export function optionRefused(name: string, expected: string, whatCame: string): TaskweftError {
  return new TaskweftError("OptionInvalid", `${name}: expected ${expected}, got ${whatCame}`);
}

/** Milliseconds of a duration option; `fallback` when it is absent. */
export function durationMs(name: string, value: string | number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  const ms = typeof value === "string" || typeof value === "number" ? parseDuration(value) : undefined;
  if (ms === undefined) {
    throw optionInvalid(name, "a duration such as 250ms, 30s, 5m, 24h or 7d, or milliseconds", value);
  }
  return ms;
}

export function wholeNumber(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw optionInvalid(name, `a whole number from ${min} to ${max}`, value);
  }
  return value;
}

/** The number of shards; default 1. */
export function shardsOption(value: number | undefined): number {
  return value === undefined ? 1 : wholeNumber("shards", value, 1, MAX_SHARDS);
}

export function prefixOption(value: string): string {
  if (!PREFIX_PATTERN.test(value)) throw optionInvalid("prefix", "1 to 40 of A-Z a-z 0-9 . _ -", value);
  return value;
}
