/**
 * Takes what is sensitive of jobs out of what is logged of them: handlers put values into messages, and what they call puts them into its
 * errors.
 */
import { HIDDEN, valueWithoutSecrets, withoutSecrets } from "../definition/index.js";
import type { Logger } from "./handler.js";

/** Chains of causes may be circular. */
const MOST_CAUSES = 4;

/** The same logger, for lines about jobs with these secrets. `undefined`: they can have none. */
export function veiled(logger: Logger, secretsOf: (() => readonly string[]) | undefined): Logger {
  if (secretsOf === undefined) return logger;
  const at =
    (level: keyof Logger): Logger["info"] =>
    (message, fields) => {
      const secrets = secretsOf();
      // A message may be anything, where a handler is not typed.
      const text = withoutSecrets(String(message), secrets);
      logger[level](text, fields === undefined ? undefined : cleanFields(fields, secrets));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function cleanFields(
  fields: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      withoutSecrets(name, secrets),
      cleanValue(value, secrets, MOST_CAUSES),
    ]),
  );
}

/** An error, or whatever else was thrown, without secrets. */
export function thrownWithoutSecrets(thrown: unknown, secrets: readonly string[]): unknown {
  return secrets.length === 0 ? thrown : cleanValue(thrown, secrets, MOST_CAUSES);
}

/** What holds no secret stays what it is: a logger may want more of it than its text. */
function cleanValue(value: unknown, secrets: readonly string[], causes: number): unknown {
  try {
    if (value instanceof Error) return cleanError(value, secrets, causes);
    if (typeof value !== "object" || value === null) {
      const text = String(value);
      const clean = withoutSecrets(text, secrets);
      return clean === text ? value : clean;
    }
    return holdsNone(value, secrets)
      ? value
      : valueWithoutSecrets(JSON.parse(JSON.stringify(value)), secrets);
  } catch {
    // Circular, or a getter that throws: nobody can tell what it holds.
    return HIDDEN;
  }
}

function holdsNone(value: object, secrets: readonly string[]): boolean {
  const text = JSON.stringify(value) as string | undefined;
  return text === undefined || withoutSecrets(text, secrets) === text;
}

function cleanError(error: Error, secrets: readonly string[], causes: number): Error {
  const texts = { name: error.name, message: error.message, stack: error.stack ?? "" };
  const cause =
    error.cause === undefined || causes === 0 ? undefined : cleanValue(error.cause, secrets, causes - 1);
  if (cause === error.cause && holdsNone([texts, error], secrets)) return error;
  const copy = new Error(withoutSecrets(texts.message, secrets), cause === undefined ? undefined : { cause });
  for (const key of ["name", "stack"] as const)
    Object.defineProperty(copy, key, {
      value: withoutSecrets(texts[key], secrets),
      configurable: true,
      writable: true,
    });
  return copy;
}
