/** Checks of single options. Each error states what was expected and what was found. */
import { inspect } from "node:util";
import { DEFAULT_PREFIX, MAX_SHARDS, PREFIX_PATTERN } from "./protocol/index.js";
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

/**
 * The number of shards: as the program says, else `TASKWEFT_SHARDS`, else 1. Like the address, so that a
 * producer and a worker with one environment meet: with another prefix, jobs would be stored where no worker
 * looks.
 */
export function shardsOption(value: number | undefined): number {
  if (value !== undefined) return wholeNumber("shards", value, 1, MAX_SHARDS);
  const text = process.env["TASKWEFT_SHARDS"] || "1";
  const shards = /^\d+$/.test(text) ? Number(text) : 0;
  if (shards >= 1 && shards <= MAX_SHARDS) return shards;
  throw optionInvalid("TASKWEFT_SHARDS", `a whole number from 1 to ${MAX_SHARDS}`, text);
}

/** The first part of every key: as the program says, else `TASKWEFT_PREFIX`, else `weft`. */
export function prefixOption(value: string | undefined): string {
  const prefix = value ?? (process.env["TASKWEFT_PREFIX"] || DEFAULT_PREFIX);
  if (PREFIX_PATTERN.test(prefix)) return prefix;
  const name = value === undefined ? "TASKWEFT_PREFIX" : "prefix";
  throw optionInvalid(name, "1 to 40 of A-Z a-z 0-9 . _ -", prefix);
}
