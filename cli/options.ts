/** Parsers for option values. An invalid value is reported in one line before anything starts. */
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../runtime/definition/index.js";

/** A whole number between `minimum` and `maximum`. */
export function wholeNumberOption(name: string, minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`${name} takes a whole number from ${minimum} to ${maximum}.`);
  };
}

/** A duration, returned as text. */
export function durationOption(name: string): (text: string) => string {
  return (text) => {
    if (parseDuration(text) !== undefined) return text;
    throw new InvalidArgumentError(`${name} takes a duration such as 250ms, 30s, 5m, 24h or 7d.`);
  };
}

/** Names separated by commas. */
export function listOption(name: string): (text: string) => readonly string[] {
  return (text) => {
    const values = text.split(",").map((part) => part.trim());
    if (values.every((value) => value !== "")) return values;
    throw new InvalidArgumentError(`${name} takes names separated by commas.`);
  };
}

const ISO_TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/;
/** The earliest accepted time: as milliseconds a day in 1973. A smaller number was meant as seconds. */
const LEAST_MS = 100_000_000_000;

/**
 * A time in ISO 8601 or in milliseconds since 1970. Other formats are rejected, because `Date` misreads them:
 * "tomorrow 9" becomes a day in 2001.
 */
export function dateOption(name: string): (text: string) => Date {
  return (text) => {
    const date = dateOf(text);
    if (date !== undefined && !Number.isNaN(date.getTime())) return date;
    throw new InvalidArgumentError(
      `${name} takes a time such as 2026-03-01T12:00:00Z, or milliseconds since 1970.`,
    );
  };
}

function dateOf(text: string): Date | undefined {
  if (/^\d+$/.test(text)) return Number(text) < LEAST_MS ? undefined : new Date(Number(text));
  const [, year, month, day] = ISO_TIME.exec(text) ?? [];
  if (year === undefined) return undefined;
  // `Date` turns February 31 into March 3.
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  return isDay ? new Date(text) : undefined;
}
