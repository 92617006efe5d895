/**
 * Prints the type of a schema that is neither an object nor a reference, with json-schema-to-typescript.
 * types.ts prints objects, because that library drops a `__proto__` key and does not escape U+2028 in keys;
 * here they are placeholders. Results are cached: five hundred tasks use a few dozen different leaves, and
 * each call takes 0.5 ms.
 */
import type { compile as Compile } from "json-schema-to-typescript";
import type { JsonSchemaNode } from "../model/json-schema.js";
import type { Layout } from "./layout.js";
import { plainNode, type PlainSchema } from "./plain-schema.js";

const PLACEHOLDER = "TaskweftNested";

/**
 * Safe settings: nothing is fetched or read, a bound does not become a tuple of a hundred members, nothing is
 * reformatted.
 */
const OPTIONS = {
  additionalProperties: false,
  bannerComment: "",
  enableConstEnums: false,
  format: false,
  ignoreMinAndMaxItems: true,
  unreachableDefinitions: false,
  $refOptions: { resolve: { external: false } },
} as const;

const MAX_KEPT = 20_000;
/** Caches promises, because many tasks ask for the same leaf before its first result is there. */
const kept = new Map<string, Promise<string>>();

/** `nested` prints the objects and references inside the node, in their order. */
export async function typeExpression(
  node: JsonSchemaNode,
  nested: (node: JsonSchemaNode) => Promise<Layout>,
): Promise<Layout> {
  const inner: JsonSchemaNode[] = [];
  const text = await expressionText(withPlaceholders(node, inner));
  if (inner.length === 0) return text;
  const layouts = await Promise.all(inner.map(nested));
  return fillPlaceholders(text, layouts);
}

/**
 * Plain JSON Schema in which objects and references are replaced by `tsType` placeholders, which the library
 * copies verbatim.
 */
function withPlaceholders(node: JsonSchemaNode, inner: JsonSchemaNode[]): PlainSchema {
  switch (node.kind) {
    case "object":
    case "ref":
      inner.push(node);
      return { tsType: `${PLACEHOLDER}${inner.length - 1}` };
    case "array":
      return { type: "array", items: withPlaceholders(node.items, inner) };
    case "union":
      return { anyOf: node.branches.map((branch) => withPlaceholders(branch, inner)) };
    case "intersection":
      return { allOf: node.branches.map((branch) => withPlaceholders(branch, inner)) };
    case "enum":
      return { enum: node.values };
    case "number":
      return { type: "number" };
    case "string":
      return { type: "string" };
    case "any":
    case "boolean":
    case "null":
      return plainNode({ kind: node.kind });
  }
}

function expressionText(schema: PlainSchema): Promise<string> {
  const key = JSON.stringify(schema);
  const known = kept.get(key);
  if (known !== undefined) return known;
  if (kept.size >= MAX_KEPT) kept.clear();
  const text = compileExpression(key);
  kept.set(key, text);
  return text;
}

let compiler: Promise<typeof Compile> | undefined;

async function compileExpression(schemaText: string): Promise<string> {
  compiler ??= import("json-schema-to-typescript").then((library) => library.compile);
  const compile = await compiler;
  const leaf = JSON.parse(schemaText) as object;
  const output = await compile({ type: "object", required: ["x"], properties: { x: leaf } }, "X", OPTIONS);
  const match = /^export interface X \{\nx: ([^]*)\n\}\s*$/.exec(output);
  if (match?.[1] === undefined) {
    throw new TypeError(`json-schema-to-typescript printed an unknown shape for ${schemaText}`);
  }
  return escapeSeparators(withoutOuterParentheses(match[1]));
}

/** These characters can occur only in string literals, where the escape means the same. */
function escapeSeparators(text: string): string {
  return text.replace(
    // oxlint-disable-next-line no-control-regex -- naming the control characters is the purpose of this expression
    /[\u007F-\u009F\u061C\u200B-\u200F\u2028-\u202E\u2060-\u2069\uFEFF]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `("a" | "b")` becomes `"a" | "b"`; `("a")[] | ("b")` is unchanged. */
function withoutOuterParentheses(text: string): string {
  if (!text.startsWith("(") || !text.endsWith(")")) return text;
  let depth = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|[()]/g)) {
    if (match[0] === "(") depth++;
    if (match[0] === ")") depth--;
    if (depth === 0 && match.index < text.length - 1) return text;
  }
  return text.slice(1, -1);
}

function fillPlaceholders(text: string, layouts: readonly Layout[]): Layout {
  const parts: Layout[] = [];
  let end = 0;
  for (const match of text.matchAll(/"(?:[^"\\]|\\.)*"|TaskweftNested(\d+)/g)) {
    if (match[1] === undefined) continue;
    parts.push(text.slice(end, match.index), layouts[Number(match[1])] ?? "never");
    end = match.index + match[0].length;
  }
  return [...parts, text.slice(end)];
}
