/**
 * Compiles the short-hand: `{ orderId: uuid, lines: [{ sku: string }], note: string?, amount: Money }`.
 * Objects are closed.
 */
import { TYPE_WORD_LIST, TYPE_WORDS, type TypeWord } from "../../model/definition-payload.js";
import type { JsonSchemaNode, JsonSchemaProperty, StringFormat } from "../../model/json-schema.js";
import { listed, quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import {
  describeNode,
  findEntry,
  type SourceEntry,
  type SourceMap,
  type SourceNode,
  type SourceScalar,
  textOf,
} from "../source.js";
import { type Compiler, type Field, type Scope, UNKNOWN_SCHEMA } from "./compiler.js";
import { checkFieldName } from "./field-names.js";
import { COMBINERS, isKeyword, JSON_TYPES, REFUSED_KEYWORDS } from "./keywords.js";
import { compileSchemaMap } from "./schema.js";
import { MAX_DEPTH } from "../yaml-source.js";

const UNKNOWN_FIELD: Field = { schema: UNKNOWN_SCHEMA, optional: false };

export function compileField(compiler: Compiler, node: SourceNode, scope: Scope): Field {
  switch (node.kind) {
    case "scalar":
      return compileWord(compiler, node);
    case "list": {
      const [item] = node.items;
      if (item === undefined || node.items.length > 1) {
        const message = `expected a list with one type, got ${node.items.length} entries`;
        compiler.reporter.report({
          code: "TW120",
          at: node.origin,
          message,
          hint: "write [string], or { enum: [a, b] } for a choice",
        });
        return UNKNOWN_FIELD;
      }
      const { schema } = requireValue(compiler, item, scope);
      return { schema: { kind: "array", items: schema }, optional: false };
    }
    case "map":
      return compileFieldMap(compiler, node, scope);
  }
}

/** An entry of a list cannot be optional. */
function requireValue(compiler: Compiler, node: SourceNode, scope: Scope): Field {
  const field = compileField(compiler, node, scope);
  if (field.optional) {
    const message = `${describeNode(node, quote)} cannot be optional here: only fields can`;
    compiler.reporter.report({ code: "TW120", at: node.origin, message, hint: "delete the ?" });
  }
  return field;
}

const WORD_PATTERN = /^([A-Za-z][A-Za-z0-9-]*)((?:\[\])*)(\?)?$/u;

function compileWord(compiler: Compiler, node: SourceScalar): Field {
  const match = typeof node.value === "string" ? WORD_PATTERN.exec(node.value) : null;
  const schema = match === null ? undefined : wordSchema(compiler, match[1] ?? "");
  if (match === null || schema === undefined) return unknownWord(compiler, node, match?.[1]);
  let wrapped = schema;
  let depth = (match[2] ?? "").length / 2;
  if (depth > MAX_DEPTH) {
    const message = `expected at most ${MAX_DEPTH} levels of nesting`;
    compiler.reporter.report({ code: "TW105", at: node.origin, message });
    return UNKNOWN_FIELD;
  }
  for (; depth > 0; depth--) wrapped = { kind: "array", items: wrapped };
  return { schema: wrapped, optional: match[3] !== undefined };
}

function wordSchema(compiler: Compiler, word: string): JsonSchemaNode | undefined {
  return isTypeWord(word) ? typeWordSchema(word) : compiler.named(word);
}

function isTypeWord(word: string): word is TypeWord {
  return Object.hasOwn(TYPE_WORDS, word);
}

function typeWordSchema(word: TypeWord): JsonSchemaNode {
  switch (word) {
    case "any":
      return { kind: "any" };
    case "boolean":
      return { kind: "boolean" };
    case "integer":
      return { kind: "number", integer: true };
    case "number":
      return { kind: "number", integer: false };
    case "object":
      return { kind: "object", properties: [], additional: true };
    case "string":
      return { kind: "string" };
    case "date":
    case "date-time":
    case "email":
    case "url":
    case "uuid":
      return { kind: "string", format: TYPE_WORDS[word].format satisfies StringFormat };
  }
}

function unknownWord(compiler: Compiler, node: SourceScalar, word: string | undefined): Field {
  // The schema may be in the file that could not be parsed; "unknown" would mislead the reader.
  if (compiler.isIncomplete && word !== undefined && /^[A-Z]/u.test(word)) return UNKNOWN_FIELD;
  const known = [...TYPE_WORD_LIST, ...compiler.schemaNames];
  const got = describeNode(node, quote);
  const hint = word === undefined ? undefined : (COMMON_WORDS.get(word) ?? didYouMean(word, known));
  const message = word === undefined ? `expected a type, got ${got}` : `unknown type ${got}`;
  compiler.reporter.report({
    code: "TW120",
    at: node.origin,
    message,
    hint: hint ?? `types: ${listed(known)}`,
  });
  return UNKNOWN_FIELD;
}

/**
 * Type words of other systems, too different from ours for an edit distance. A Map, because `constructor` is
 * a word too.
 */
const COMMON_WORDS: ReadonlyMap<string, string> = new Map([
  ["array", "write [string] for a list of strings"],
  ["bool", 'did you mean "boolean"?'],
  ["datetime", 'did you mean "date-time"?'],
  ["float", 'did you mean "number"?'],
  ["int", 'did you mean "integer"?'],
  ["none", 'for a handler that returns nothing, leave out "result"'],
  ["str", 'did you mean "string"?'],
  ["text", 'did you mean "string"?'],
  ["timestamp", 'did you mean "date-time"?'],
  ["uri", 'did you mean "url"?'],
  ["void", 'for a handler that returns nothing, leave out "result"'],
]);

/**
 * A nested map describes one field if it contains JSON Schema keywords, otherwise it is an object with
 * fields.
 */
function compileFieldMap(compiler: Compiler, node: SourceMap, scope: Scope): Field {
  if (!looksLikeDetails(compiler, node))
    return { schema: compileFields(compiler, node, scope), optional: false };
  const foreign = node.entries.find((entry) => !isKeywordLike(entry.key) && mayBeField(entry));
  const type = findEntry(node, "type");
  const wordy = ["description", "title"]
    .map((key) => findEntry(node, key))
    .find((entry) => isExactWord(entry?.value));
  const stranger = foreign ?? wordy;
  if (stranger !== undefined && type !== undefined && textOf(type.value) !== undefined) {
    return reportAmbiguous(compiler, stranger, textOf(type.value) ?? "");
  }
  return compileDetails(compiler, node, scope);
}

function isKeywordLike(key: string): boolean {
  return isKeyword(key) || REFUSED_KEYWORDS.has(key) || key.startsWith("x-");
}

/** `minlength: 3` is a misspelt keyword, because a number is not the type of a field. */
function mayBeField({ value }: SourceEntry): boolean {
  return value.kind !== "scalar" || typeof value.value === "string";
}

function looksLikeDetails(compiler: Compiler, node: SourceMap): boolean {
  const has = (key: string): SourceNode | undefined => findEntry(node, key)?.value;
  if (textOf(has("$ref")) !== undefined || has("$schema") !== undefined) return true;
  if (COMBINERS.some((key) => has(key)?.kind === "list")) return true;
  if (has("enum")?.kind === "list") return true;
  const type = has("type");
  if (type?.kind === "list") return type.items.every((item) => isJsonType(item));
  const word = textOf(type);
  if (word !== undefined) return isTypeName(compiler, word);
  return findEntry(node, "const") !== undefined && node.entries.every((entry) => isKeyword(entry.key));
}

function isJsonType(node: SourceNode): boolean {
  if (node.kind !== "scalar") return false;
  return node.value === null || JSON_TYPES.includes(node.value as (typeof JSON_TYPES)[number]);
}

function isTypeName(compiler: Compiler, text: string): boolean {
  const word = text.endsWith("?") ? text.slice(0, -1) : text;
  return (
    isTypeWord(word) ||
    JSON_TYPES.includes(word as (typeof JSON_TYPES)[number]) ||
    compiler.schemaNames.includes(word)
  );
}

function isExactWord(node: SourceNode | undefined): boolean {
  const text = textOf(node);
  return text !== undefined && isTypeWord(text.replace(/\?$/u, ""));
}

function reportAmbiguous(compiler: Compiler, stranger: SourceEntry, type: string): Field {
  compiler.reporter.report({
    code: "TW120",
    at: stranger.keyOrigin,
    message: `${quote(stranger.key)} beside "type: ${type}" can be a field or a keyword`,
    hint: `for an object with a field named type: { type: object, properties: { type: { type: ${type} }, ... } }; for one value: { type: ${type}, minLength: 1 }`,
  });
  return UNKNOWN_FIELD;
}

/**
 * Compiles `{ type: uuid, description: ... }`, `{ type: Money, ... }` and `{ type: integer?, minimum: 1 }`;
 * everything else is JSON Schema.
 */
function compileDetails(compiler: Compiler, node: SourceMap, scope: Scope): Field {
  const type = findEntry(node, "type");
  const text = textOf(type?.value);
  if (type === undefined || text === undefined || type.value.kind !== "scalar") {
    return {
      schema: compileSchemaMap(compiler, node, scope, subSchemas(compiler, node, scope)),
      optional: false,
    };
  }
  const optional = text.endsWith("?");
  const word = optional ? text.slice(0, -1) : text;
  const inner = subSchemas(compiler, node, scope);
  if (JSON_TYPES.includes(word as (typeof JSON_TYPES)[number])) {
    return { schema: compileSchemaMap(compiler, withType(node, type, word), scope, inner), optional };
  }
  const base = wordSchema(compiler, word) ?? UNKNOWN_SCHEMA;
  return { schema: compileSchemaMap(compiler, node, scope, inner, base), optional };
}

function withType(node: SourceMap, type: SourceEntry, word: string): SourceMap {
  const value: SourceNode = { kind: "scalar", value: word, origin: type.value.origin };
  return { ...node, entries: node.entries.map((entry) => (entry === type ? { ...entry, value } : entry)) };
}

/**
 * Below `properties` and combiners everything is JSON Schema; `items` and `additionalProperties` of details
 * may use words.
 */
function subSchemas(compiler: Compiler, node: SourceMap, scope: Scope): (node: SourceNode) => JsonSchemaNode {
  const isFull =
    findEntry(node, "properties") !== undefined ||
    COMBINERS.some((key) => findEntry(node, key) !== undefined);
  if (isFull) return (child) => compiler.schema(child, scope);
  return (child) => requireValue(compiler, child, scope).schema;
}

/**
 * A closed object. `?` at the end of a key makes the field optional, also for lists, unions and nested maps.
 */
export function compileFields(compiler: Compiler, node: SourceMap, scope: Scope): JsonSchemaNode {
  const properties: JsonSchemaProperty[] = [];
  const seen = new Set<string>();
  for (const entry of node.entries) {
    const isMarked = entry.key.length > 1 && entry.key.endsWith("?");
    const name = isMarked ? entry.key.slice(0, -1) : entry.key;
    const { schema, optional } = compileField(compiler, entry.value, scope);
    if (seen.has(name)) {
      compiler.reporter.report({
        code: "TW106",
        at: entry.keyOrigin,
        message: `the field ${quote(name)} stands twice`,
        hint: "delete one of them",
      });
    } else if (isKeyword(name) && name.startsWith("$")) {
      compiler.reporter.report({
        code: "TW120",
        at: entry.keyOrigin,
        message: `${quote(name)} is a keyword of JSON Schema, not a field`,
        hint: "write the whole schema in JSON Schema, or rename the field",
      });
    } else {
      checkFieldName(compiler, name, entry.keyOrigin);
      properties.push({ name, required: !(optional || isMarked), schema });
    }
    seen.add(name);
  }
  return { kind: "object", properties, additional: false };
}

/**
 * Whether the root of a payload or result is JSON Schema. Stricter than for a nested map, because payloads do
 * have fields named `type`: only `$ref`, `$schema`, a combiner, or `type: object` with another object keyword
 * count.
 */
export function isSchemaRoot(node: SourceMap): boolean {
  const has = (key: string): SourceNode | undefined => findEntry(node, key)?.value;
  if (textOf(has("$ref")) !== undefined || has("$schema") !== undefined) return true;
  if (COMBINERS.some((key) => has(key)?.kind === "list")) return true;
  if (textOf(has("type")) !== "object") return false;
  return (
    has("properties")?.kind === "map" ||
    has("required")?.kind === "list" ||
    has("additionalProperties") !== undefined
  );
}
