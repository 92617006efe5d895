/** Walks a schema tree. */
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";

/** The node and all nodes below it; references are not followed. */
export function subtrees(node: JsonSchemaNode): readonly JsonSchemaNode[] {
  return [node, ...children(node).flatMap(subtrees)];
}

/** The names of all definitions that a tree refers to directly. */
export function references(node: JsonSchemaNode): readonly string[] {
  return subtrees(node).flatMap((inner) => (inner.kind === "ref" ? [inner.name] : []));
}

/** The definitions that the root refers to, directly or through others. */
export function reachedDefinitions({ root, definitions }: JsonSchema): JsonSchema["definitions"] {
  const nodes = new Map(definitions.map(({ name, schema }) => [name, schema]));
  const reached = new Set(references(root));
  for (const name of reached) {
    const node = nodes.get(name);
    if (node !== undefined) for (const next of references(node)) reached.add(next);
  }
  return definitions.filter(({ name }) => reached.has(name));
}

function children(node: JsonSchemaNode): readonly JsonSchemaNode[] {
  switch (node.kind) {
    case "array":
      return [node.items];
    case "object": {
      const fields = node.properties.map((property) => property.schema);
      return typeof node.additional === "boolean" ? fields : [...fields, node.additional];
    }
    case "union":
    case "intersection":
      return node.branches;
    case "any":
    case "boolean":
    case "enum":
    case "null":
    case "number":
    case "ref":
    case "string":
      return [];
  }
}
