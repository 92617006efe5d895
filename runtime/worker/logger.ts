import { withVisibleCharacters } from "../definition/index.js";
import { LOG_LEVELS, type LogLevel } from "../config/log-levels.js";
import type { JobLogLevel } from "../protocol/index.js";
import type { Logger } from "./handler.js";

export { LOG_LEVELS, type LogLevel };

/**
 * Writes lines to standard error: time, level, message, then `field=value`. Each value is printed on one line
 * with control characters made visible, so that nobody can forge log lines or control a terminal.
 */
export function createConsoleLogger(level: LogLevel = "info"): Logger {
  const lowest = LOG_LEVELS.indexOf(level);
  const line =
    (name: LogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      if (LOG_LEVELS.indexOf(name) < lowest) return;
      process.stderr.write(
        `${new Date().toISOString()} ${name.toUpperCase().padEnd(5)} ${lineText(message, fields)}\n`,
      );
    };
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

/** Message and fields as one line, as in the log. */
export function lineText(message: string, fields: Readonly<Record<string, unknown>>): string {
  const rest = Object.entries(fields).map(([field, value]) => ` ${field}=${oneLine(value)}`);
  return `${flat(message)}${rest.join("")}`;
}

function oneLine(value: unknown): string {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const text = value instanceof Error ? `${value.name}: ${value.message}` : textOf(value);
  return withVisibleCharacters(/[\s"=]/.test(text) ? JSON.stringify(text) : text);
}

/** An object as JSON where possible: `[object Object]` says nothing. */
function textOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? "undefined";
  } catch {
    return Object.prototype.toString.call(value);
  }
}

function flat(message: string): string {
  return withVisibleCharacters(message.replaceAll(/\s*\n\s*/g, " | "));
}

type Keep = (level: JobLogLevel, message: string, fields: Readonly<Record<string, unknown>>) => void;

/** The same logger, which also passes every line except debug lines to `keep`. */
export function keptBy(logger: Logger, keep: Keep): Logger {
  const at =
    (level: JobLogLevel) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      logger[level](message, fields);
      keep(level, message, fields);
    };
  return {
    debug: (message, fields) => logger.debug(message, fields),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
  };
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
