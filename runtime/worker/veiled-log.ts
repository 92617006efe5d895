/**
 * Takes what is sensitive of jobs out of what is logged of them: handlers put values into messages, and what they call puts them into its
 * errors.
 */
import { HIDDEN, valueWithoutSecrets, withoutSecrets } from "../definition/index.js";
import type { Logger } from "./handler.js";

/** Objects in objects, and causes of causes. */
const DEEPEST = 20;
/** To look for more in each text of each line would hold the event loop up. */
const MOST_SECRETS = 1000;

/** The same logger, for lines about jobs with these secrets. `undefined`: they can have none. */
export function veiled(logger: Logger, secretsOf: (() => readonly string[]) | undefined): Logger {
  if (secretsOf === undefined) return logger;
  const at =
    (level: keyof Logger): Logger["info"] =>
    (message, fields) => {
      const secrets = secretsOf();
      if (secrets.length > MOST_SECRETS) {
        logger[level](`${HIDDEN} (its payload has more than ${MOST_SECRETS} sensitive values)`);
        return;
      }
      // A message may be anything, where a handler is not typed.
      const text = withoutSecrets(String(message), secrets);
      logger[level](text, fields === undefined ? undefined : cleanFields(fields, secrets));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** An error, or whatever else was thrown, without secrets. */
export function thrownWithoutSecrets(thrown: unknown, secrets: readonly string[]): unknown {
  if (secrets.length > MOST_SECRETS) return new Error(HIDDEN);
  return secrets.length === 0 ? thrown : cleanValue(thrown, secrets);
}

function cleanFields(
  fields: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      withoutSecrets(name, secrets),
      cleanValue(value, secrets),
    ]),
  );
}

/** What holds no secret stays what it is: a logger may want more of it than its text. */
function cleanValue(value: unknown, secrets: readonly string[]): unknown {
  try {
    return new Cleaner(secrets).clean(value);
  } catch {
    // Circular, or a getter that throws: nobody can tell what it holds.
    return HIDDEN;
  }
}

/** Walks a value as loggers do that show more than its JSON: into errors, their causes, and collections. */
class Cleaner {
  readonly #secrets: readonly string[];
  /** What leads to where it is. */
  readonly #path = new Set<object>();

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets;
  }

  /** @throws where the value contains itself, lies too deep, or cannot be read. */
  clean(value: unknown): unknown {
    if (typeof value !== "object" || value === null) {
      const text = String(value);
      const clean = withoutSecrets(text, this.#secrets);
      return clean === text ? value : clean;
    }
    if (this.#path.has(value) || this.#path.size === DEEPEST) throw new RangeError("deeper than can be told");
    this.#path.add(value);
    try {
      return this.#cleanObject(value);
    } finally {
      this.#path.delete(value);
    }
  }

  #cleanObject(value: object): unknown {
    if (value instanceof Error) return this.#cleanError(value);
    if (value instanceof Map || value instanceof Set) {
      const held = [...value] as readonly unknown[];
      return this.clean(held) === held ? value : HIDDEN;
    }
    if (Array.isArray(value)) {
      const items = value.map((item) => this.clean(item));
      return items.every((item, index) => item === value[index]) ? value : items;
    }
    const shown = this.#cleanProperties(value);
    const json = jsonOf(value);
    if (shown === value && withoutSecrets(json ?? "", this.#secrets) === (json ?? "")) return value;
    if (shown !== value && isPlain(value)) return shown;
    return json === undefined ? HIDDEN : valueWithoutSecrets(JSON.parse(json), this.#secrets);
  }

  /** Those that are enumerable: the same object where they hold none. */
  #cleanProperties(value: object): object {
    const before = Object.entries(value) as readonly (readonly [string, unknown])[];
    const after = before.map(
      ([name, child]) => [withoutSecrets(name, this.#secrets), this.clean(child)] as const,
    );
    const isSame = after.every(
      ([name, child], index) => name === before[index]![0] && child === before[index]![1],
    );
    return isSame ? value : Object.fromEntries(after);
  }

  #cleanError(error: Error): Error {
    const texts = { name: error.name, message: error.message, stack: error.stack ?? "" };
    const errors: unknown = error instanceof AggregateError ? error.errors : undefined;
    const cause = this.#path.has(error.cause as object) ? undefined : this.clean(error.cause);
    const own = this.#cleanProperties(error);
    const list = this.clean(errors);
    if (cause === error.cause && list === errors && own === error && this.#cleanProperties(texts) === texts)
      return error;
    const options = cause === undefined ? undefined : { cause };
    const message = withoutSecrets(texts.message, this.#secrets);
    const copy = Array.isArray(list)
      ? new AggregateError(list, message, options)
      : new Error(message, options);
    for (const key of ["name", "stack"] as const)
      Object.defineProperty(copy, key, {
        value: withoutSecrets(texts[key], this.#secrets),
        configurable: true,
        writable: true,
      });
    return copy;
  }
}

function isPlain(value: object): boolean {
  if ("toJSON" in value) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function jsonOf(value: object): string | undefined {
  return JSON.stringify(value) as string | undefined;
}
