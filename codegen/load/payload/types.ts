/** Compiles `type` and the keywords that belong to it. */
import {
  type JsonSchemaNode,
  type JsonSchemaProperty,
  STRING_FORMATS,
  type StringFormat,
} from "../../model/json-schema.js";
import { anyOf, quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import { describeNode, entriesOf, findEntry, type SourceMap, type SourceNode } from "../source.js";
import { type Compiler, UNKNOWN_SCHEMA } from "./compiler.js";
import { checkFieldName } from "./field-names.js";
import { JSON_TYPES, type JsonType, NUMBER_KEYWORDS, TYPE_KEYWORDS } from "./keywords.js";
import { patternProblem } from "../pattern/pattern.js";
import { readCount, readFlag, readNumber, readText } from "./values.js";

type SubCompiler = (node: SourceNode) => JsonSchemaNode;

/** Empty if there is no `type`, or if it is unknown (which was reported). */
export function compileType(compiler: Compiler, node: SourceMap, inner: SubCompiler): JsonSchemaNode[] {
  const types = readTypes(compiler, node);
  if (types === undefined) return [];
  reportIdleKeywords(compiler, node, types);
  const branches = types.map((type) => compileOneType(compiler, node, type, inner));
  const [only] = branches;
  if (branches.length === 1 && only !== undefined) return [only];
  return branches.length === 0 ? [] : [{ kind: "union", exclusive: false, branches }];
}

function readTypes(compiler: Compiler, node: SourceMap): JsonType[] | undefined {
  const entry = findEntry(node, "type");
  if (entry === undefined) return undefined;
  const items = entry.value.kind === "list" ? entry.value.items : [entry.value];
  const types: JsonType[] = [];
  if (items.length === 0) {
    const message = `type: expected ${anyOf(JSON_TYPES)}, got an empty list`;
    compiler.reporter.report({ code: "TW120", at: entry.value.origin, message, hint: "name a type" });
  }
  for (const item of items) {
    // YAML parses a bare null as no value, JSON Schema writes the word: accept both.
    const word = item.kind === "scalar" ? String(item.value) : undefined;
    const type = JSON_TYPES.find((known) => known === word);
    if (
      type === undefined ||
      (word === "null" && entry.value.kind !== "list" && item.kind === "scalar" && item.value === null)
    ) {
      const message = `type: expected ${anyOf(JSON_TYPES)}, got ${describeNode(item, quote)}`;
      compiler.reporter.report({
        code: "TW120",
        at: item.origin,
        message,
        hint: didYouMean(word ?? "", JSON_TYPES),
      });
    } else if (!types.includes(type)) {
      types.push(type);
    }
  }
  return types;
}

const TYPED_KEYWORDS: ReadonlySet<string> = new Set(Object.values(TYPE_KEYWORDS).flat());

/** `minLength` on a number has no effect, although its author expects one, so it is an error. */
function reportIdleKeywords(compiler: Compiler, node: SourceMap, types: readonly JsonType[]): void {
  if (types.length === 0) return;
  const isWorking = (key: string): boolean => types.some((type) => TYPE_KEYWORDS[type].includes(key));
  for (const { key, keyOrigin } of node.entries) {
    if (!TYPED_KEYWORDS.has(key) || isWorking(key)) continue;
    const belongs = JSON_TYPES.filter((type) => TYPE_KEYWORDS[type].includes(key));
    const message = `${quote(key)} has no effect on type ${types.join(" or ")}`;
    compiler.reporter.report({
      code: "TW121",
      at: keyOrigin,
      message,
      hint: `it belongs to type ${anyOf(belongs)}`,
    });
  }
}

function compileOneType(
  compiler: Compiler,
  node: SourceMap,
  type: JsonType,
  inner: SubCompiler,
): JsonSchemaNode {
  switch (type) {
    case "array":
      return compileArray(compiler, node, inner);
    case "boolean":
      return { kind: "boolean" };
    case "integer":
    case "number":
      return compileNumber(compiler, node, type === "integer");
    case "null":
      return { kind: "null" };
    case "object":
      return compileObject(compiler, node, inner);
    case "string":
      return compileString(compiler, node);
  }
}

function compileNumber(compiler: Compiler, node: SourceMap, integer: boolean): JsonSchemaNode {
  const bounds: { -readonly [Key in (typeof NUMBER_KEYWORDS)[number]]?: number } = {};
  for (const key of NUMBER_KEYWORDS) {
    const value = readNumber(compiler, node, key);
    if (value !== undefined) bounds[key] = value;
  }
  if (bounds.multipleOf !== undefined && bounds.multipleOf <= 0) {
    reportBound(compiler, node, "multipleOf", "multipleOf: expected a number above 0");
    delete bounds.multipleOf;
  }
  checkBounds(compiler, node, integer, bounds);
  return { kind: "number", integer, ...bounds };
}

function checkBounds(
  compiler: Compiler,
  node: SourceMap,
  integer: boolean,
  bounds: { readonly [Key in (typeof NUMBER_KEYWORDS)[number]]?: number },
): void {
  const { minimum = -Infinity, exclusiveMinimum = -Infinity } = bounds;
  const { maximum = Infinity, exclusiveMaximum = Infinity } = bounds;
  const [low, high] = [Math.max(minimum, exclusiveMinimum), Math.min(maximum, exclusiveMaximum)];
  const [above, below] = [exclusiveMinimum === low, exclusiveMaximum === high];
  const nothing = low > high || (low === high && (above || below));
  const least = Math.max(Math.ceil(minimum), Math.floor(exclusiveMinimum) + 1);
  const most = Math.min(Math.floor(maximum), Math.ceil(exclusiveMaximum) - 1);
  if (!nothing && !(integer && least > most)) return;
  const key = bounds.maximum === high ? "maximum" : "exclusiveMaximum";
  const range = `${above ? "above" : "at least"} ${low} and ${below ? "below" : "at most"} ${high}`;
  reportBound(compiler, node, key, `no ${nothing ? "" : "whole "}number fits: it must be ${range}`);
}

function reportBound(compiler: Compiler, node: SourceMap, key: string, message: string): void {
  const at = findEntry(node, key)?.value.origin ?? node.origin;
  compiler.reporter.report({ code: "TW120", at, message });
}

/** Reads two bounds; reports an error if no value is between them. */
function readRange(
  compiler: Compiler,
  node: SourceMap,
  lowKey: string,
  highKey: string,
): [number | undefined, number | undefined] {
  const low = readCount(compiler, node, lowKey);
  const high = readCount(compiler, node, highKey);
  if (low !== undefined && high !== undefined && low > high) {
    reportBound(compiler, node, highKey, `nothing fits: ${lowKey} is ${low} and ${highKey} is ${high}`);
  }
  return [low, high];
}

function compileString(compiler: Compiler, node: SourceMap): JsonSchemaNode {
  const [minLength, maxLength] = readRange(compiler, node, "minLength", "maxLength");
  const pattern = readPattern(compiler, node);
  const format = readFormat(compiler, node);
  return {
    kind: "string",
    ...(minLength === undefined ? {} : { minLength }),
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(format === undefined ? {} : { format }),
  };
}

function readPattern(compiler: Compiler, node: SourceMap): string | undefined {
  const pattern = readText(compiler, node, "pattern");
  if (pattern === undefined) return undefined;
  const problem = patternProblem(pattern);
  if (problem === undefined) return pattern;
  const at = findEntry(node, "pattern")?.value.origin ?? node.origin;
  compiler.reporter.report({ code: "TW122", at, ...problem });
  return undefined;
}

function readFormat(compiler: Compiler, node: SourceMap): StringFormat | undefined {
  const text = readText(compiler, node, "format");
  if (text === undefined) return undefined;
  const format = STRING_FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  const at = findEntry(node, "format")?.value.origin ?? node.origin;
  const message = `the format ${quote(text)} is not enforced, so it is not accepted`;
  const hint = didYouMean(text, STRING_FORMATS) ?? `formats: ${STRING_FORMATS.join(", ")}; or use pattern`;
  compiler.reporter.report({ code: "TW121", at, message, hint });
  return undefined;
}

function compileArray(compiler: Compiler, node: SourceMap, inner: SubCompiler): JsonSchemaNode {
  const [minItems, maxItems] = readRange(compiler, node, "minItems", "maxItems");
  const uniqueItems = readFlag(compiler, node, "uniqueItems");
  return {
    kind: "array",
    items: compileItems(compiler, node, inner),
    ...(minItems === undefined ? {} : { minItems }),
    ...(maxItems === undefined ? {} : { maxItems }),
    ...(uniqueItems === true ? { uniqueItems } : {}),
  };
}

function compileItems(compiler: Compiler, node: SourceMap, inner: SubCompiler): JsonSchemaNode {
  const items = findEntry(node, "items");
  if (items === undefined) {
    const at = findEntry(node, "type")?.value.origin ?? node.origin;
    compiler.reporter.report({
      code: "TW120",
      at,
      message: 'missing "items"',
      hint: "say what the list holds; items: true stands for anything",
    });
    return UNKNOWN_SCHEMA;
  }
  if (items.value.kind === "scalar" && items.value.value === true) return { kind: "any" };
  if (items.value.kind !== "list") return inner(items.value);
  const hint = "use an object with a field a position";
  compiler.reporter.report({
    code: "TW121",
    at: items.value.origin,
    message: "tuples (items: [...]) are not supported",
    hint,
  });
  return UNKNOWN_SCHEMA;
}

function compileObject(compiler: Compiler, node: SourceMap, inner: SubCompiler): JsonSchemaNode {
  const declared = findEntry(node, "properties");
  if (declared !== undefined && declared.value.kind !== "map") {
    const message = `properties: expected a map, got ${describeNode(declared.value, quote)}`;
    compiler.reporter.report({ code: "TW120", at: declared.value.origin, message });
  }
  const entries = entriesOf(declared?.value);
  for (const { key, keyOrigin } of entries) checkFieldName(compiler, key, keyOrigin);
  const required = readRequired(compiler, node, new Set(entries.map((entry) => entry.key)));
  const properties: JsonSchemaProperty[] = entries.map(({ key, value }) => ({
    name: key,
    required: required.has(key),
    schema: inner(value),
  }));
  return { kind: "object", properties, additional: compileAdditional(node, inner) };
}

function readRequired(compiler: Compiler, node: SourceMap, names: ReadonlySet<string>): Set<string> {
  const required = new Set<string>();
  const entry = findEntry(node, "required");
  if (entry === undefined) return required;
  if (entry.value.kind !== "list") {
    const message = `required: expected a list of field names, got ${describeNode(entry.value, quote)}`;
    compiler.reporter.report({ code: "TW120", at: entry.value.origin, message, hint: "required: [orderId]" });
    return required;
  }
  for (const item of entry.value.items) {
    const name = item.kind === "scalar" ? String(item.value) : "";
    if (names.has(name)) {
      required.add(name);
      continue;
    }
    const message = `required names ${describeNode(item, quote)}, which properties does not have`;
    compiler.reporter.report({ code: "TW120", at: item.origin, message, hint: didYouMean(name, names) });
  }
  return required;
}

/** Objects are open by default in JSON Schema; the short-hand, which is compiled elsewhere, is closed. */
function compileAdditional(node: SourceMap, inner: SubCompiler): boolean | JsonSchemaNode {
  const entry = findEntry(node, "additionalProperties");
  if (entry === undefined) return true;
  if (entry.value.kind === "scalar" && typeof entry.value.value === "boolean") return entry.value.value;
  return inner(entry.value);
}
