/**
 * The only functions through which text from a definition enters generated code. A name, key, description or
 * enum value was written by somebody else; each function makes it safe for one kind of place.
 */
import path from "node:path/posix";
import type { JsonValue } from "../model/json-schema.js";

/**
 * Characters that JSON does not escape, but that editors, terminals or older parsers treat as line ends, byte
 * order marks or direction changes: a reader must see the code that runs.
 */
// oxlint-disable-next-line no-control-regex -- naming the control characters is the purpose of this expression
const HIDDEN = /[\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/g;
const UNPRINTABLE =
  // oxlint-disable-next-line no-control-regex -- as above; a comment keeps nothing but its line feeds
  /[\u0000-\u0009\u000B-\u001F\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/g;

const IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const RESERVED_WORDS = new Set(
  (
    "arguments await break case catch class const continue debugger default delete do else enum eval export extends " +
    "false finally for function if implements import in instanceof interface let new null package private protected " +
    "public return static super switch this throw true try typeof undefined var void while with yield"
  ).split(" "),
);

/** A JavaScript expression for the value. Every object key becomes an own property, whatever its name. */
export function literal(value: JsonValue): string {
  if (typeof value === "string") return stringLiteral(value);
  if (typeof value === "number") return numberLiteral(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (isList(value)) return `[${value.map(literal).join(", ")}]`;
  const entries = Object.entries(value).map(([key, member]) => `${propertyKey(key)}: ${literal(member)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function stringLiteral(text: string): string {
  return JSON.stringify(text).replace(HIDDEN, escapeUnit);
}

function escapeUnit(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function numberLiteral(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`expected a finite number to print, got ${value}`);
  return Object.is(value, -0) ? "-0" : String(value);
}

/**
 * The text as an identifier. Throws for any other text: the loader has checked names, so this would be our
 * bug.
 */
export function identifier(text: string): string {
  if (!IDENTIFIER.test(text) || RESERVED_WORDS.has(text)) {
    throw new TypeError(`expected an identifier, got ${JSON.stringify(text)}`);
  }
  return text;
}

/** `orderId`, `"order-id"` or `["__proto__"]`, because `{ "__proto__": x }` would set the prototype. */
export function propertyKey(key: string): string {
  if (key === "__proto__") return '["__proto__"]';
  return IDENTIFIER.test(key) ? key : stringLiteral(key);
}

/**
 * A key of a type member. Here `__proto__` is an ordinary name, and a computed key must not be a plain
 * string.
 */
export function typeKey(key: string): string {
  return IDENTIFIER.test(key) ? key : stringLiteral(key);
}

/** `.orderId`, `?.["order-id"]`, `?.[0]`; `quoted` brackets identifiers too. */
export function propertyAccess(segment: string | number, optional: boolean, quoted = false): string {
  if (typeof segment === "number") return `${optional ? "?." : ""}[${numberLiteral(segment)}]`;
  if (!quoted && IDENTIFIER.test(segment)) return `${optional ? "?." : "."}${segment}`;
  return `${optional ? "?." : ""}[${stringLiteral(segment)}]`;
}

/** The text between the backticks of a template literal. */
export function templateText(text: string): string {
  return stringLiteral(text)
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replaceAll("`", "\\`")
    .replaceAll("${", "\\${");
}

/** A doc comment with these lines, or nothing if all are empty. No text can end the comment. */
export function jsdoc(lines: readonly (string | undefined)[]): string {
  const text = lines
    .filter((line) => line !== undefined)
    .flatMap((line) => commentLines(line))
    .join("\n")
    .trim();
  if (text === "") return "";
  if (!text.includes("\n")) return `/** ${text} */\n`;
  const body = text.split("\n").map((line) => ` * ${line}`.trimEnd());
  return `/**\n${body.join("\n")}\n */\n`;
}

function commentLines(text: string): string[] {
  return text.split(/\r\n|[\r\n]/).map((line) => commentLine(line));
}

/** One line that is safe inside any comment. */
export function commentLine(text: string): string {
  return text
    .replace(/[\r\n]/g, " ")
    .replace(UNPRINTABLE, " ")
    .replaceAll("*/", "*\\/")
    .trimEnd();
}

/**
 * The import specifier from one project file to another: `../../types.js`. Both paths are relative to the
 * project.
 */
export function modulePath(from: string, to: string): string {
  const relative = path.relative(path.dirname(from), to).replace(/\.([cm]?)tsx?$/, ".$1js");
  return literal(relative.startsWith(".") ? relative : `./${relative}`);
}

/** `PaymentProcess` becomes `paymentProcess`. */
export function lowerFirst(name: string): string {
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
}

/** `order_line-item` becomes `OrderLineItem`; always an identifier. */
export function pascalCase(text: string): string {
  const joined = (text.match(/[A-Za-z0-9]+/g) ?? [])
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
  return /^[A-Z]/.test(joined) ? joined : `Schema${joined}`;
}
