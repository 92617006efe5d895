/** Reads the JSON Schemas of a manifest. Supports only the forms that emit/plain-schema.ts writes. */
import type {
  JsonPrimitive,
  JsonSchema,
  JsonSchemaNode,
  JsonSchemaProperty,
  StringFormat,
} from "../model/json-schema.js";

type Plain = Readonly<Record<string, unknown>>;

export function readPlainSchema(document: Plain): JsonSchema {
  const definitions = Object.entries(mapOf(document["definitions"]));
  return {
    root: readNode(document),
    definitions: definitions.map(([name, schema]) => ({ name, schema: readNode(mapOf(schema)) })),
  };
}

function readNode(plain: Plain): JsonSchemaNode {
  if (typeof plain["$ref"] === "string") return { kind: "ref", name: nameIn(plain["$ref"]) };
  if ("const" in plain) return { kind: "enum", values: [plain["const"] as JsonPrimitive] };
  if ("enum" in plain) return { kind: "enum", values: listOf(plain["enum"]) as JsonPrimitive[] };
  if ("allOf" in plain) return { kind: "intersection", branches: branchesOf(plain["allOf"]) };
  const branches = plain["oneOf"] ?? plain["anyOf"];
  if (branches !== undefined)
    return { kind: "union", exclusive: "oneOf" in plain, branches: branchesOf(branches) };
  return readTyped(plain);
}

function readTyped(plain: Plain): JsonSchemaNode {
  const type = plain["type"];
  switch (type) {
    case "null":
    case "boolean":
      return { kind: type };
    case "integer":
    case "number":
      return { kind: "number", integer: type === "integer", ...(keywordsOf(plain) as object) };
    case "string":
      return { kind: "string", ...(keywordsOf(plain) as { format?: StringFormat }) };
    case "array":
      return { ...(keywordsOf(plain) as object), kind: "array", items: readNode(mapOf(plain["items"])) };
    case "object":
      return { kind: "object", properties: propertiesOf(plain), additional: additionalOf(plain) };
    default:
      return { kind: "any" };
  }
}

/** Bounds have the same names in both forms. */
function keywordsOf({
  type: _type,
  $schema: _schema,
  definitions: _definitions,
  items: _items,
  ...rest
}: Plain): unknown {
  return rest;
}

function propertiesOf(plain: Plain): JsonSchemaProperty[] {
  const required = new Set(listOf(plain["required"]));
  return Object.entries(mapOf(plain["properties"])).map(([name, schema]) => ({
    name,
    required: required.has(name),
    schema: readNode(mapOf(schema)),
  }));
}

function additionalOf({ additionalProperties }: Plain): JsonSchemaNode | boolean {
  if (additionalProperties === undefined || typeof additionalProperties === "boolean")
    return additionalProperties ?? true;
  return readNode(mapOf(additionalProperties));
}

function branchesOf(value: unknown): JsonSchemaNode[] {
  return listOf(value).map((branch) => readNode(mapOf(branch)));
}

/** The name in `#/definitions/Name`. */
function nameIn(reference: string): string {
  const segment = decodeURIComponent(reference.slice(reference.lastIndexOf("/") + 1));
  return segment.replaceAll("~1", "/").replaceAll("~0", "~");
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function mapOf(value: unknown): Plain {
  return typeof value === "object" && value !== null ? (value as Plain) : {};
}
