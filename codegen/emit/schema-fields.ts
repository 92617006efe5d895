/** The names of all fields that a schema declares, at any depth. */
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";

export function declaredFields(schema: JsonSchema): string[] {
  return [schema.root, ...schema.definitions.map((definition) => definition.schema)].flatMap(fieldsOf);
}

function fieldsOf(node: JsonSchemaNode): string[] {
  switch (node.kind) {
    case "array":
      return fieldsOf(node.items);
    case "object":
      return [
        ...node.properties.flatMap(({ name, schema }) => [name, ...fieldsOf(schema)]),
        ...(typeof node.additional === "boolean" ? [] : fieldsOf(node.additional)),
      ];
    case "union":
    case "intersection":
      return node.branches.flatMap(fieldsOf);
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
