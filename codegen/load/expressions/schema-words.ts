/** Describes schemas in the words of messages, and lists the scalar values that they allow. */
import type { JsonPrimitive, JsonSchemaNode } from "../../model/json-schema.js";
import { anyOf, listed } from "../../model/quote.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";

/** Resolves a node: the named schema behind a reference. */
export type Resolve = (node: JsonSchemaNode) => JsonSchemaNode | undefined;

/** The type of an expression's value. */
export interface ValueType {
  readonly schema: JsonSchemaNode;
  /** Whether the value may be missing. */
  readonly optional: boolean;
  /** Why it may be missing, if the schema does not tell. */
  readonly why?: string;
  /** Whether it was read under a key that some schema does not declare. */
  readonly undeclared?: boolean;
}

/** The reason as the end of a message. */
export function because(why: string | undefined): string {
  return why === undefined ? "" : ` (${why})`;
}

/**
 * The branches of unions and intersections, at any depth. Each once: schemas that name the next one twice have
 * exponentially many paths.
 */
export function leavesOf(schema: JsonSchemaNode, resolve: Resolve): JsonSchemaNode[] {
  const leaves: JsonSchemaNode[] = [];
  const seen = new Set<JsonSchemaNode>();
  const visit = (one: JsonSchemaNode): void => {
    const node = resolve(one) ?? UNKNOWN_SCHEMA;
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === "union" || node.kind === "intersection") node.branches.forEach(visit);
    else leaves.push(node);
  };
  visit(schema);
  return leaves;
}

/** Whether the reference or the schema that it names is marked `x-sensitive`. */
export function isSensitive(schema: JsonSchemaNode, resolve: Resolve): boolean {
  return schema.sensitive === true || resolve(schema)?.sensitive === true;
}

/** The schema of a part of something sensitive. */
export function asSensitive(schema: JsonSchemaNode): JsonSchemaNode {
  return schema === UNKNOWN_SCHEMA ? schema : { ...schema, sensitive: true };
}

export function mayBeNull(schema: JsonSchemaNode, resolve: Resolve): boolean {
  return leavesOf(schema, resolve).some(
    (leaf) => leaf.kind === "null" || (leaf.kind === "enum" && leaf.values.includes(null)),
  );
}

const SCALARS: ReadonlySet<JsonSchemaNode["kind"]> = new Set(["boolean", "enum", "null", "number", "string"]);

/**
 * A leaf that is neither text, number, boolean nor null; `undefined` if there is none or nothing is known.
 */
export function notScalar(schema: JsonSchemaNode, resolve: Resolve): JsonSchemaNode | undefined {
  const leaves = leavesOf(schema, resolve);
  if (leaves.includes(UNKNOWN_SCHEMA)) return undefined;
  return leaves.find((leaf) => !SCALARS.has(leaf.kind));
}

const KIND_NAMES: Readonly<Record<JsonSchemaNode["kind"], string>> = {
  any: "anything",
  array: "a list",
  boolean: "a boolean",
  enum: "a choice of values",
  intersection: "a combination",
  null: "null",
  number: "a number",
  object: "an object",
  ref: "a named schema",
  string: "text",
  union: "a choice",
};

export function kindName(node: JsonSchemaNode): string {
  return KIND_NAMES[node.kind];
}

/** Like `kindName`, with the values, formats and branches. */
export function describeSchema(schema: JsonSchemaNode, resolve: Resolve): string {
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  if (node.kind === "enum") return describeValues(node.values);
  if (node.kind === "string" && node.format !== undefined) return `text (${node.format})`;
  if (node.kind === "number" && node.integer) return "a whole number";
  if (node.kind !== "union") return kindName(node);
  return anyOf([...new Set(leavesOf(node, resolve).map((leaf) => describeSchema(leaf, resolve)))]);
}

function describeValues(values: readonly JsonPrimitive[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? (texts[0] ?? "") : `one of ${listed(texts)}`;
}
