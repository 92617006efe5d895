/**
 * Removes the sensitive values of jobs from log lines about them: handlers put values into messages, and the
 * libraries that they call put them into errors.
 */
import { inspect } from "node:util";
import { HIDDEN, secretRemover, valueWithoutSecrets, withoutSecrets } from "../../definition/index.js";
import type { Logger } from "../handler.js";

/** Deepest nesting of objects and of causes. */
const DEEPEST = 20;
/** Searching for more values in every text of every line would block the event loop. */
const MOST_SECRETS = 1000;
/** Options of `inspect` that show a value completely. */
const WHOLE = { depth: DEEPEST, maxArrayLength: null, maxStringLength: null, breakLength: Infinity } as const;

/**
 * The same logger, for lines about jobs with these secrets.
 * @param secretsOf `undefined` when there can be none.
 */
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
      // The message may be anything when the handler is not type-checked.
      const text = withoutSecrets(String(message), secrets);
      logger[level](text, fields === undefined ? undefined : cleanFields(fields, secrets));
    };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

/** A text without secrets. */
export function textWithoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.length > MOST_SECRETS ? HIDDEN : withoutSecrets(text, secrets);
}

/** A thrown value without secrets. */
export function thrownWithoutSecrets(thrown: unknown, secrets: readonly string[]): unknown {
  if (secrets.length > MOST_SECRETS) return new Error(HIDDEN);
  return secrets.length === 0 ? thrown : cleanValue(thrown, secrets);
}

function cleanFields(
  fields: Readonly<Record<string, unknown>>,
  secrets: readonly string[],
): Readonly<Record<string, unknown>> {
  const clean = secretRemover(secrets);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [clean(name), cleanValue(value, secrets)]),
  );
}

/** A value without secrets is passed on unchanged, because a logger may use more of it than its text. */
function cleanValue(value: unknown, secrets: readonly string[]): unknown {
  try {
    return new Cleaner(secrets).clean(value);
  } catch {
    // Circular, or with a getter that throws: its content cannot be determined.
    return HIDDEN;
  }
}

/** Walks a value like a logger that shows more than its JSON: into errors, their causes, and collections. */
class Cleaner {
  readonly #secrets: readonly string[];
  readonly #cleanText: (text: string) => string;
  /** The objects on the path to the current one. */
  readonly #path = new Set<object>();

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets;
    this.#cleanText = secretRemover(secrets);
  }

  /** @throws when the value contains itself, is nested too deep, or cannot be read. */
  clean(value: unknown): unknown {
    if (typeof value === "function") return this.#isSeenIn(value) ? HIDDEN : value;
    if (typeof value !== "object" || value === null) {
      const text = String(value);
      const clean = this.#cleanText(text);
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
      return this.clean(held) === held && this.#cleanProperties(value) === value ? value : HIDDEN;
    }
    if (Array.isArray(value)) return this.#cleanArray(value);
    if (ArrayBuffer.isView(value)) return this.#isSpelledIn(value) ? HIDDEN : value;
    const shown = this.#cleanProperties(value);
    if (isPlain(value)) return shown;
    const json = jsonOf(value);
    const isClean = shown === value && this.#cleanText(json ?? "") === (json ?? "");
    // Headers, for example, have neither fields nor JSON, but `inspect` shows their content.
    if (isClean) return this.#isSeenIn(value) ? HIDDEN : value;
    return json === undefined ? HIDDEN : valueWithoutSecrets(JSON.parse(json), this.#secrets);
  }

  /** For the parts of an error: one part that cannot be read must not hide the others. */
  #cleanOrHidden(value: unknown): unknown {
    try {
      return this.clean(value);
    } catch {
      return HIDDEN;
    }
  }

  #cleanArray(value: readonly unknown[]): readonly unknown[] {
    const items = value.map((item) => this.clean(item));
    // An array may have properties: the match of a pattern has the whole text in `input`.
    const beside = Object.fromEntries(Object.entries(value).filter(([name]) => !Object.hasOwn(items, name)));
    const isSame = items.every((item, index) => item === value[index]);
    return isSame && this.#cleanProperties(beside) === beside ? value : items;
  }

  /** Bytes are usually shown as numbers or not at all, but a logger may decode them as text. */
  #isSpelledIn(bytes: ArrayBufferView): boolean {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
    return this.#cleanText(text) !== text;
  }

  #isSeenIn(value: object): boolean {
    const text = inspect(value, WHOLE);
    return this.#cleanText(text) !== text;
  }

  /**
   * Cleans the enumerable properties; returns the same object when they contain no secret. A copy drops
   * properties whose keys are symbols.
   */
  #cleanProperties(value: object): object {
    const before = Object.entries(value) as readonly (readonly [string, unknown])[];
    const after = before.map(([name, child]) => [this.#cleanText(name), this.clean(child)] as const);
    const isSame = after.every(
      ([name, child], index) => name === before[index]![0] && child === before[index]![1],
    );
    const symbols = Object.getOwnPropertySymbols(value)
      .filter((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol))
      .flatMap((symbol) => [symbol.description, (value as Record<symbol, unknown>)[symbol]]);
    const isCleanBeside = symbols.every((child) => this.clean(child) === child);
    return isSame && isCleanBeside ? value : Object.fromEntries(after);
  }

  #cleanError(error: Error): Error {
    const texts = { name: error.name, message: error.message, stack: error.stack ?? "" };
    const errors: unknown = error instanceof AggregateError ? error.errors : undefined;
    const cause = this.#path.has(error.cause as object) ? undefined : this.#cleanOrHidden(error.cause);
    const list = this.#cleanOrHidden(errors);
    const isClean = cause === error.cause && list === errors && this.#cleanProperties(texts) === texts;
    if (isClean && this.#isCleanBeside(error)) return error;
    const options = cause === undefined ? undefined : { cause };
    const message = this.#cleanText(texts.message);
    const copy = Array.isArray(list)
      ? new AggregateError(list, message, options)
      : new Error(message, options);
    for (const key of ["name", "stack"] as const)
      Object.defineProperty(copy, key, {
        value: this.#cleanText(texts[key]),
        configurable: true,
        writable: true,
      });
    return copy;
  }

  /**
   * Whether the properties of an error, besides its texts and its cause, are free of secrets. The error of an
   * HTTP client carries its request, which contains itself. A copy of the error leaves such properties out,
   * so that its texts can still be logged.
   */
  #isCleanBeside(error: Error): boolean {
    try {
      if (this.#cleanProperties(error) !== error) return false;
      if (!showsItself(error)) return true;
      const json = jsonOf(error) ?? "";
      return this.#cleanText(json) === json && !this.#isSeenIn(error);
    } catch {
      return false;
    }
  }
}

/** The object decides itself what is shown of it. */
function showsItself(value: object): boolean {
  return "toJSON" in value || inspect.custom in value;
}

function isPlain(value: object): boolean {
  if (showsItself(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function jsonOf(value: object): string | undefined {
  return JSON.stringify(value) as string | undefined;
}
