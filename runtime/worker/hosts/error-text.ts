/**
 * Encodes errors and log fields for the way between threads. Name, message and stack are preserved, and
 * everything that decides about retries.
 */
import { PermanentError, TaskweftError } from "../../errors.js";
import { Cancelled, LeaseLost, ShuttingDown, Suspended, TimeoutExceeded } from "../abort-reasons.js";
import { MiddlewareInvalid } from "../attempts/middleware.js";
import { textOf } from "../attempts/outcome.js";
import { StepInvalid } from "../attempts/step-journal.js";

export interface ErrorText {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** Whether the error was a PermanentError. */
  readonly permanent: boolean;
  /** Whether the error was of our class with that name, and must become one again. */
  readonly ours?: boolean;
  readonly code?: string | number;
  readonly cause?: Thrown;
}

/** `text`: a thrown value that is not an error. */
export type Thrown = ErrorText | { readonly text: string };

/** The fields of a log line; errors among them stay errors. */
export type FieldText = Readonly<Record<string, { readonly error: Thrown } | { readonly value: unknown }>>;

/** Classes that a handler or a caller may check for with `instanceof`. */
const OURS: Readonly<Record<string, { readonly prototype: Error }>> = {
  Cancelled,
  LeaseLost,
  MiddlewareInvalid,
  PermanentError,
  ShuttingDown,
  StepInvalid,
  Suspended,
  TaskweftError,
  TimeoutExceeded,
};
/** Chains of causes are for people to read, and may be circular. */
const MOST_CAUSES = 4;

export function encodeError(error: unknown, causes: number = MOST_CAUSES): Thrown {
  if (!(error instanceof Error)) return { text: whole(() => error) };
  const name = whole(() => error.name);
  const { code } = error as { code?: unknown };
  const own = Object.hasOwn(OURS, name) ? OURS[name] : undefined;
  return {
    name,
    message: whole(() => error.message),
    stack: whole(() => error.stack ?? ""),
    permanent: error instanceof PermanentError,
    ...(own !== undefined && Object.prototype.isPrototypeOf.call(own.prototype, error) ? { ours: true } : {}),
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    ...(error.cause === undefined || causes === 0 ? {} : { cause: encodeError(error.cause, causes - 1) }),
  };
}

export function decodeError(thrown: Thrown): unknown {
  if ("text" in thrown) return thrown.text;
  const { name, message, stack, permanent, ours, code, cause } = thrown;
  const error = new Error(message, cause === undefined ? undefined : { cause: decodeError(cause) });
  const kind = ours === true ? OURS[name] : permanent ? PermanentError : undefined;
  if (kind !== undefined) Object.setPrototypeOf(error, kind.prototype);
  const values = { name, stack, ...(code === undefined ? {} : { code }) };
  for (const [key, value] of Object.entries(values))
    Object.defineProperty(error, key, { value, configurable: true, writable: true });
  return error;
}

export function encodeFields(fields: Readonly<Record<string, unknown>>): FieldText {
  const entries = Object.entries(fields).map(([key, value]) => [
    key,
    value instanceof Error ? { error: encodeError(value) } : { value: plain(value) },
  ]);
  return Object.fromEntries(entries) as FieldText;
}

export function decodeFields(fields: FieldText): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, field]) => [
      key,
      "error" in field ? decodeError(field.error) : field.value,
    ]),
  );
}

/** The value unchanged where copying preserves it; otherwise its JSON, or else its text. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol") return value;
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined) return JSON.parse(text);
  } catch {
    // Circular: encoded as text below.
  }
  return whole(() => value);
}

function whole(read: () => unknown): string {
  return textOf(read, Number.POSITIVE_INFINITY);
}
