/** Walks a schema tree. */
import type { JsonSchemaNode } from "../model/json-schema.js";

/** The node and all nodes below it; references are not followed. */
export function subtrees(node: JsonSchemaNode): readonly JsonSchemaNode[] {
  return [node, ...children(node).flatMap(subtrees)];
}

/** The names of all definitions that a tree refers to directly. */
export function references(node: JsonSchemaNode): readonly string[] {
  return subtrees(node).flatMap((inner) => (inner.kind === "ref" ? [inner.name] : []));
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
