/**
 * The vocabulary of quick checks, which generated code makes of it (`payloadFits`). Each is true only for
 * values that the corresponding zod schema accepts as they are, and that JSON keeps as they are; a value for
 * which it is false may still be valid. `test/codegen/emit/quick-check.test.ts` compares both on random schemas.
 */
import { z } from "zod";

/**
 * `any`, because a check reads fields of what it does not know yet; TypeScript would ask for a cast at each.
 */
// oxlint-disable-next-line no-explicit-any -- see above
export type QuickCheck = (value: any) => boolean;

const DATE_TIME = z.regexes.datetime({ offset: true });
/** By source: a check with a pattern of its own would compile it for each value. */
const patterns = new Map<string, RegExp>();

export const fit = {
  /** A plain object with so many keys: with others than the declared ones it would have more. */
  closed(value: unknown, keys: number): boolean {
    if (!isPlain(value)) return false;
    let count = 0;
    for (const _key in value) count++;
    return count === keys;
  },

  /** A plain object with any keys. */
  open(value: unknown): boolean {
    return isPlain(value) && !Object.hasOwn(value, "__proto__");
  },

  /** A plain object whose values all fit. */
  map(value: unknown, test: QuickCheck): boolean {
    if (!isPlain(value) || Object.hasOwn(value, "__proto__")) return false;
    for (const key in value) if (!test(value[key])) return false;
    return true;
  },

  /** Each index is read: methods of arrays pass over holes, which JSON keeps as null. */
  list(value: unknown, test: QuickCheck): boolean {
    if (!Array.isArray(value) || "toJSON" in value) return false;
    for (let i = 0; i < value.length; i++) if (!test(value[i])) return false;
    return true;
  },

  /** 1 for an optional field that is there: what `closed` counts. */
  given(field: unknown): number {
    return field === undefined ? 0 : 1;
  },

  /** Not what JSON leaves out. */
  json(value: unknown): boolean {
    return value !== undefined && typeof value !== "function" && typeof value !== "symbol";
  },

  oneOf(value: unknown, values: readonly unknown[]): boolean {
    return values.includes(value);
  },

  /** As JSON Schema counts: code points, of which one takes one or two units. */
  atLeast(text: string, length: number): boolean {
    return text.length >= length * 2 || (text.length >= length && codePoints(text) >= length);
  },

  atMost(text: string, length: number): boolean {
    return text.length <= length || (text.length <= length * 2 && codePoints(text) <= length);
  },

  pattern(text: string, source: string): boolean {
    let pattern = patterns.get(source);
    if (pattern === undefined) patterns.set(source, (pattern = new RegExp(source, "u")));
    return pattern.test(text);
  },

  uuid(value: unknown): boolean {
    return typeof value === "string" && z.regexes.guid.test(value);
  },

  email(value: unknown): boolean {
    return typeof value === "string" && z.regexes.email.test(value);
  },

  date(value: unknown): boolean {
    return typeof value === "string" && z.regexes.date.test(value);
  },

  dateTime(value: unknown): boolean {
    return typeof value === "string" && DATE_TIME.test(value);
  },
} as const;

/** An object of a class may become anything in JSON, one without a prototype is rare. */
function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function codePoints(text: string): number {
  return Array.from(text).length;
}
