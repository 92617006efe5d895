import { LOG_LEVELS, type LogLevel } from "../config/log-levels.js";
import type { Logger } from "./handler.js";

export { LOG_LEVELS, type LogLevel };

/** Lines on standard error: time, level, message, then `field=value`. Values are one visible line each, so that a log cannot be forged. */
export function createConsoleLogger(level: LogLevel = "info"): Logger {
  const lowest = LOG_LEVELS.indexOf(level);
  const line =
    (name: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (LOG_LEVELS.indexOf(name) < lowest) return;
      const rest = Object.entries(fields).map(([field, value]) => ` ${field}=${oneLine(value)}`);
      process.stderr.write(
        `${new Date().toISOString()} ${name.toUpperCase().padEnd(5)} ${flat(message)}${rest.join("")}\n`,
      );
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

function oneLine(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = value instanceof Error ? `${value.name}: ${value.message}` : String(value);
  return visible(/[\s"=]/.test(text) ? JSON.stringify(text) : text);
}

function flat(message: string): string {
  return visible(message.replaceAll(/\s*\n\s*/g, " | "));
}

/** Control and direction characters as their code: a payload in a log line must not steer the reader's terminal. */
function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The same logger with fields that every line carries. */
export function withFields(logger: Logger, fields: Readonly<Record<string, unknown>>): Logger {
  return {
    debug: (message, more) => logger.debug(message, { ...fields, ...more }),
    info: (message, more) => logger.info(message, { ...fields, ...more }),
    warn: (message, more) => logger.warn(message, { ...fields, ...more }),
    error: (message, more) => logger.error(message, { ...fields, ...more }),
  };
}
