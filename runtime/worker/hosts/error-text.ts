/** Errors and log fields on their way between threads: name, message and stack stay, and so does what decides about retries. */
import { PermanentError, TaskweftError } from "../../errors.js";
import { Cancelled, LeaseLost, ShuttingDown, Suspended, TimeoutExceeded } from "../abort-reasons.js";
import { MiddlewareInvalid } from "../middleware.js";
import { textOf } from "../outcome.js";
import { StepInvalid } from "../step-journal.js";

export interface ErrorText {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** It was a PermanentError. */
  readonly permanent: boolean;
  /** It was of our class of that name, and is to be one again. */
  readonly ours?: boolean;
  readonly code?: string | number;
  readonly cause?: Thrown;
}

/** `text`: something was thrown that is no error. */
export type Thrown = ErrorText | { readonly text: string };

/** Fields of a log line; errors among them stay errors. */
export type FieldText = Readonly<Record<string, { readonly error: Thrown } | { readonly value: unknown }>>;

/** Classes that a handler or a caller may ask for by `instanceof`. */
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

/** What a copy keeps as it is; of everything else its JSON, else its text. */
function plain(value: unknown): unknown {
  if (typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol") return value;
  try {
    const text = JSON.stringify(value) as string | undefined;
    if (text !== undefined) return JSON.parse(text);
  } catch {
    // Circular: as text, below.
  }
  return whole(() => value);
}

function whole(read: () => unknown): string {
  return textOf(read, Number.POSITIVE_INFINITY);
}
