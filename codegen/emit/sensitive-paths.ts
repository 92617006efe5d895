/** Where a schema is marked `x-sensitive`, as paths: a worker takes what stands there out of what it logs. */
import type { SensitivePath } from "../../runtime/definition/index.js";
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import { references, subtrees } from "./schema-walk.js";

/** Sorted. Where a schema contains itself, all that stands there is meant: hiding too much is the safe mistake. */
export function sensitivePaths({ root, definitions }: JsonSchema): readonly SensitivePath[] {
  const byName = new Map(definitions.map(({ name, schema }) => [name, schema]));
  const marked = new Set(
    definitions.filter(({ schema }) => leadsToMark(schema, byName)).map(({ name }) => name),
  );
  const found = new Map<string, SensitivePath>();
  const visit = (node: JsonSchemaNode, path: SensitivePath, open: readonly string[]): void => {
    if (
      node.sensitive === true ||
      (node.kind === "ref" && marked.has(node.name) && open.includes(node.name))
    ) {
      found.set(JSON.stringify(path), path);
      return;
    }
    switch (node.kind) {
      case "array":
        return visit(node.items, [...path, null], open);
      case "object":
        for (const { name, schema } of node.properties) visit(schema, [...path, name], open);
        if (typeof node.additional !== "boolean") visit(node.additional, [...path, null], open);
        return;
      case "union":
      case "intersection":
        for (const branch of node.branches) visit(branch, path, open);
        return;
      case "ref": {
        const target = marked.has(node.name) ? byName.get(node.name) : undefined;
        if (target !== undefined) visit(target, path, [...open, node.name]);
        return;
      }
      case "any":
      case "boolean":
      case "enum":
      case "null":
      case "number":
      case "string":
    }
  };
  visit(root, [], []);
  return [...found].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, path]) => path);
}

function leadsToMark(from: JsonSchemaNode, byName: ReadonlyMap<string, JsonSchemaNode>): boolean {
  const reached = new Set([from]);
  for (const node of reached) {
    if (subtrees(node).some(({ sensitive }) => sensitive === true)) return true;
    for (const name of references(node)) {
      const target = byName.get(name);
      if (target !== undefined) reached.add(target);
    }
  }
  return false;
}
