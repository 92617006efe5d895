/**
 * Turns JSON Schema keywords into a JsonSchemaNode. Every keyword is enforced by the generated validators, or
 * known not to constrain values, or an error at its line: a keyword that is not enforced would silently widen
 * the contract.
 */
import type { JsonPrimitive, JsonSchemaNode } from "../../model/json-schema.js";
import { quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import {
  describeNode,
  findEntry,
  type SourceEntry,
  type SourceMap,
  type SourceNode,
  textOf,
} from "../source.js";
import { type Compiler, type Scope, UNKNOWN_SCHEMA } from "./compiler.js";
import {
  ALL_KEYWORDS,
  ANNOTATIONS,
  COMBINERS,
  CONSTRAINTS,
  DEFINITION_KEYS,
  DOCUMENTATION,
  isKeyword,
  JSON_TYPES,
  type JsonType,
  REFUSED_KEYWORDS,
  TYPE_KEYWORDS,
} from "./keywords.js";
import { compileType } from "./types.js";
import { readFlag, readText } from "./values.js";

/** Compiles the schemas inside this one. */
export type SubCompiler = (node: SourceNode) => JsonSchemaNode;

/** Compiles full JSON Schema. */
export function compileSchema(compiler: Compiler, node: SourceNode, scope: Scope): JsonSchemaNode {
  if (node.kind === "map")
    return compileSchemaMap(compiler, node, scope, (child) => compileSchema(compiler, child, scope));
  if (node.kind === "scalar" && node.value === true) return { kind: "any" };
  const word = textOf(node);
  compiler.reporter.report({
    code: "TW120",
    at: node.origin,
    message: `expected a JSON Schema (a map), got ${describeNode(node, quote)}`,
    hint:
      word === undefined
        ? undefined
        : "type words go with the short-hand only; in JSON Schema write { type: string }",
  });
  return UNKNOWN_SCHEMA;
}

/** `base`: the schema of a short-hand word in `type`; only documentation may then stand next to it. */
export function compileSchemaMap(
  compiler: Compiler,
  node: SourceMap,
  scope: Scope,
  inner: SubCompiler,
  base?: JsonSchemaNode,
): JsonSchemaNode {
  checkKeywords(compiler, node);
  const documentation = readDocumentation(compiler, node);
  const constraints = node.entries.filter((entry) => CONSTRAINTS.includes(entry.key));
  if (base !== undefined) return document(wordWithDetails(compiler, node, base), documentation);
  const ref = findEntry(node, "$ref");
  if (ref !== undefined) return document(compileReference(compiler, ref, constraints, scope), documentation);
  if (findEntry(node, "enum") !== undefined || findEntry(node, "const") !== undefined) {
    return document(compileEnum(compiler, node, constraints), documentation);
  }
  const parts = [...compileType(compiler, node, inner), ...compileCombiners(compiler, node, inner)];
  const [first] = parts;
  if (first === undefined) return reportMissingType(compiler, node);
  const schema: JsonSchemaNode = parts.length === 1 ? first : { kind: "intersection", branches: parts };
  if (schema.kind === "intersection")
    compiler.combined(schema.branches, findEntry(node, "allOf")?.keyOrigin ?? node.origin);
  return document(schema, documentation);
}

interface Documentation {
  readonly description?: string;
  readonly deprecated?: boolean;
  readonly sensitive?: boolean;
}

/** Keeps the identity of the shared placeholder, by which later checks recognise it. */
function document(schema: JsonSchemaNode, documentation: Documentation): JsonSchemaNode {
  return schema === UNKNOWN_SCHEMA ? schema : { ...schema, ...documentation };
}

function checkKeywords(compiler: Compiler, node: SourceMap): void {
  for (const { key, keyOrigin } of node.entries) {
    if (isKeyword(key)) continue;
    const wayOut = REFUSED_KEYWORDS.get(key) ?? didYouMean(key, ALL_KEYWORDS);
    compiler.reporter.report({
      code: "TW121",
      at: keyOrigin,
      message: `the JSON Schema keyword ${quote(key)} is not supported`,
      hint: wayOut ?? `supported: ${ALL_KEYWORDS.join(", ")}`,
    });
  }
}

function readDocumentation(compiler: Compiler, node: SourceMap): Documentation {
  const description = readText(compiler, node, "description");
  const deprecated = readFlag(compiler, node, "deprecated");
  const sensitive = readFlag(compiler, node, "x-sensitive");
  return {
    ...(description === undefined ? {} : { description }),
    ...(deprecated === undefined ? {} : { deprecated }),
    ...(sensitive === undefined ? {} : { sensitive }),
  };
}

/** Compiles `{ type: email, maxLength: 100 }`: a short-hand word accepts the keywords of its JSON type. */
function wordWithDetails(compiler: Compiler, node: SourceMap, base: JsonSchemaNode): JsonSchemaNode {
  const details = node.entries.filter((entry) => entry.key !== "type" && CONSTRAINTS.includes(entry.key));
  const allowsText = base.kind === "string" ? ["maxLength", "minLength", "pattern"] : [];
  const stranger = details.find((entry) => !allowsText.includes(entry.key));
  if (stranger !== undefined) {
    const type = textOf(findEntry(node, "type")?.value) ?? "";
    compiler.reporter.report({
      code: "TW121",
      at: stranger.keyOrigin,
      message: `${quote(stranger.key)} has no place beside "type: ${type}"`,
      hint: "only documentation may stand beside a named schema or a word with a meaning of its own",
    });
  }
  if (base.kind !== "string" || details.length === 0) return base;
  const typed: SourceMap = {
    ...node,
    entries: node.entries.map((entry) => (entry.key === "type" ? asText(entry) : entry)),
  };
  const [text] = compileType(compiler, typed, () => UNKNOWN_SCHEMA);
  return text === undefined ? base : ({ ...text, ...base } as JsonSchemaNode);
}

function asText(entry: SourceEntry): SourceEntry {
  return { ...entry, value: { kind: "scalar", value: "string", origin: entry.value.origin } };
}

function compileReference(
  compiler: Compiler,
  ref: SourceEntry,
  constraints: readonly SourceEntry[],
  scope: Scope,
): JsonSchemaNode {
  const beside = constraints.find((entry) => entry !== ref);
  if (beside !== undefined) {
    compiler.reporter.report({
      code: "TW121",
      at: beside.keyOrigin,
      message: `${quote(beside.key)} beside "$ref" is not supported`,
      hint: "write allOf: [{ $ref: ... }, { ... }]",
    });
  }
  const text = textOf(ref.value);
  if (text !== undefined && ref.value.kind === "scalar") return compiler.reference(ref.value, text, scope);
  compiler.reporter.report({
    code: "TW123",
    at: ref.value.origin,
    message: `$ref: expected text, got ${describeNode(ref.value, quote)}`,
  });
  return UNKNOWN_SCHEMA;
}

function compileEnum(
  compiler: Compiler,
  node: SourceMap,
  constraints: readonly SourceEntry[],
): JsonSchemaNode {
  const entry = findEntry(node, "enum") ?? findEntry(node, "const");
  const beside = constraints.find((other) => other.key !== "type" && other !== entry);
  if (entry === undefined) return UNKNOWN_SCHEMA;
  if (beside !== undefined) {
    compiler.reporter.report({
      code: "TW121",
      at: beside.keyOrigin,
      message: `${quote(beside.key)} beside "${entry.key}" has no effect`,
      hint: "delete it",
    });
  }
  const items = entry.key === "const" ? [entry.value] : entry.value.kind === "list" ? entry.value.items : [];
  if (items.length === 0) {
    compiler.reporter.report({
      code: "TW120",
      at: entry.value.origin,
      message: `enum: expected a list of values, got ${describeList(entry.value)}`,
    });
    return UNKNOWN_SCHEMA;
  }
  const types = typesOf(node);
  const values: JsonPrimitive[] = [];
  for (const item of items) addEnumValue(compiler, item, types, values);
  return values.length === 0 ? UNKNOWN_SCHEMA : { kind: "enum", values };
}

/** A list gets here only if it is empty. */
function describeList(node: SourceNode): string {
  return node.kind === "list" ? "an empty one" : describeNode(node, quote);
}

function addEnumValue(
  compiler: Compiler,
  item: SourceNode,
  types: readonly string[],
  values: JsonPrimitive[],
): void {
  const report = (message: string, hint?: string): void =>
    compiler.reporter.report({ code: "TW120", at: item.origin, message, hint });
  if (item.kind !== "scalar")
    return report(`expected text, a number, true, false or null, got ${describeNode(item, quote)}`);
  if (values.includes(item.value))
    return report(`${describeNode(item, quote)} stands twice`, "delete one of them");
  if (types.length > 0 && !types.some((type) => isOfType(item.value, type))) {
    return report(
      `${describeNode(item, quote)} is not of type ${types.join(" or ")}`,
      "change the type, or quote the value",
    );
  }
  values.push(item.value);
}

function typesOf(node: SourceMap): string[] {
  const type = findEntry(node, "type")?.value;
  if (type?.kind === "list")
    return type.items.map((item) => (item.kind === "scalar" ? String(item.value) : ""));
  const word = textOf(type);
  return word === undefined ? [] : [word];
}

function isOfType(value: JsonPrimitive, type: string): boolean {
  if (type === "null") return value === null;
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}

function compileCombiners(compiler: Compiler, node: SourceMap, inner: SubCompiler): JsonSchemaNode[] {
  const parts: JsonSchemaNode[] = [];
  for (const key of COMBINERS) {
    const entry = findEntry(node, key);
    if (entry === undefined) continue;
    if (entry.value.kind !== "list" || entry.value.items.length === 0) {
      compiler.reporter.report({
        code: "TW120",
        at: entry.value.origin,
        message: `${key}: expected a list of schemas, got ${describeList(entry.value)}`,
      });
      parts.push(UNKNOWN_SCHEMA);
      continue;
    }
    const branches = entry.value.items.map(inner);
    const [only] = branches;
    if (only !== undefined && branches.length === 1) parts.push(only);
    else if (key === "allOf") parts.push({ kind: "intersection", branches });
    else parts.push({ kind: "union", exclusive: key === "oneOf", branches });
  }
  return parts;
}

function reportMissingType(compiler: Compiler, node: SourceMap): JsonSchemaNode {
  const keys = node.entries.map((entry) => entry.key);
  // Already reported: an unknown type, or an unknown keyword that may have been meant to constrain the value.
  if (keys.includes("type") || !keys.every(isKeyword)) return UNKNOWN_SCHEMA;
  const likely = JSON_TYPES.find((type: JsonType) => TYPE_KEYWORDS[type].some((key) => keys.includes(key)));
  const isEmpty = keys.every(
    (key) => ANNOTATIONS.has(key) || DOCUMENTATION.has(key) || DEFINITION_KEYS.has(key),
  );
  compiler.reporter.report({
    code: "TW120",
    at: node.entries[0]?.keyOrigin ?? node.origin,
    message: 'missing "type"',
    hint:
      likely === undefined || isEmpty
        ? 'add "type", "$ref", "enum" or "oneOf"; "true" stands for anything'
        : `add "type: ${likely}"`,
  });
  return UNKNOWN_SCHEMA;
}
