/** Parsers for option values: what is wrong is said in one line, before anything is started. */
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../runtime/definition/index.js";

/** A whole number in a range. */
export function wholeNumberOption(name: string, minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= minimum && value <= maximum) return value;
    throw new InvalidArgumentError(`${name} takes a whole number from ${minimum} to ${maximum}.`);
  };
}

/** A duration, kept as text. */
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

/** A moment: ISO 8601, or milliseconds since 1970. */
export function dateOption(name: string): (text: string) => Date {
  return (text) => {
    const date = /^\d+$/.test(text) ? new Date(Number(text)) : new Date(text);
    if (!Number.isNaN(date.getTime())) return date;
    throw new InvalidArgumentError(
      `${name} takes a time such as 2026-03-01T12:00:00Z, or milliseconds since 1970.`,
    );
  };
}
