/** Prints our schema tree as plain JSON Schema (draft-07), which the manifest exports to other languages. */
import type { JsonSchema, JsonSchemaNode, JsonValue } from "../model/json-schema.js";

export type PlainSchema = { readonly [key: string]: JsonValue };

/** A self-contained document. */
export function plainSchema(schema: JsonSchema): PlainSchema {
  const root = plainNode(schema.root);
  const document = { $schema: "http://json-schema.org/draft-07/schema#", ...root };
  if (schema.definitions.length === 0) return document;
  const definitions = schema.definitions.map(({ name, schema: node }) => [name, plainNode(node)] as const);
  // Draft-07 ignores everything next to a $ref, so a root that is a reference is wrapped in allOf.
  const body = "$ref" in root ? { $schema: document.$schema, allOf: [root] } : document;
  return { ...body, definitions: Object.fromEntries(definitions) };
}

export function plainNode(node: JsonSchemaNode): PlainSchema {
  const shape = plainShape(node);
  const notes = {
    ...(node.description === undefined ? {} : { description: node.description }),
    ...(node.deprecated === true ? { deprecated: true } : {}),
    ...(node.sensitive === true ? { "x-sensitive": true } : {}),
  };
  if (Object.keys(notes).length === 0) return shape;
  return "$ref" in shape ? { allOf: [shape], ...notes } : { ...shape, ...notes };
}

function plainShape(node: JsonSchemaNode): PlainSchema {
  switch (node.kind) {
    case "any":
      return {};
    case "null":
    case "boolean":
      return { type: node.kind };
    case "number":
      return { type: node.integer ? "integer" : "number", ...pick(node, NUMBER_KEYWORDS) };
    case "string":
      return { type: "string", ...pick(node, STRING_KEYWORDS) };
    case "enum":
      return node.values.length === 1 ? { const: node.values[0] ?? null } : { enum: node.values };
    case "array":
      return { type: "array", items: plainNode(node.items), ...pick(node, ARRAY_KEYWORDS) };
    case "object":
      return plainObject(node);
    case "union":
      return { [node.exclusive ? "oneOf" : "anyOf"]: node.branches.map(plainNode) };
    case "intersection":
      return { allOf: node.branches.map(plainNode) };
    case "ref":
      return { $ref: `#/definitions/${pointerSegment(node.name)}` };
  }
}

function plainObject(node: JsonSchemaNode & { kind: "object" }): PlainSchema {
  const required = node.properties.filter((property) => property.required).map((property) => property.name);
  return {
    type: "object",
    ...(node.properties.length === 0
      ? {}
      : {
          properties: Object.fromEntries(
            node.properties.map(({ name, schema }) => [name, plainNode(schema)]),
          ),
        }),
    ...(required.length === 0 ? {} : { required }),
    ...(node.additional === true
      ? {}
      : { additionalProperties: node.additional === false ? false : plainNode(node.additional) }),
  };
}

const NUMBER_KEYWORDS = ["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"] as const;
const STRING_KEYWORDS = ["format", "maxLength", "minLength", "pattern"] as const;
const ARRAY_KEYWORDS = ["maxItems", "minItems", "uniqueItems"] as const;

function pick<Key extends string>(
  node: { readonly [K in Key]?: JsonValue },
  keys: readonly Key[],
): PlainSchema {
  const entries: [string, JsonValue][] = [];
  for (const key of keys) {
    const value = node[key];
    if (value !== undefined) entries.push([key, value]);
  }
  return Object.fromEntries(entries);
}

function pointerSegment(name: string): string {
  return encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));
}
