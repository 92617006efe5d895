/**
 * The paths of the fields that a schema marks `x-sensitive`: a worker removes their values from what it logs.
 */
import type { SensitivePath } from "../../runtime/definition/index.js";
import type { JsonSchema, JsonSchemaNode } from "../model/json-schema.js";
import { references, subtrees } from "./schema-walk.js";

/**
 * Most paths that a contract lists. Definitions that refer to each other in many ways have more paths than a
 * worker should load and check for each job.
 */
const MOST_PATHS = 200;
/** Limit on followed references: many of them may lead to few paths, through the branches of a choice. */
const MOST_REFERENCES = 1000;

/**
 * Sorted. If a schema contains itself or has too many paths, a shorter path stands for everything below it:
 * hiding too much is the safe mistake.
 */
export function sensitivePaths(schema: JsonSchema): readonly SensitivePath[] {
  for (let depth = Infinity; ; depth = depth === Infinity ? 6 : depth - 1) {
    const paths = pathsDownTo(schema, depth);
    if (paths !== undefined) return paths;
  }
}

/** `undefined` if there are too many. Nested references are followed down to `depth`. */
function pathsDownTo({ root, definitions }: JsonSchema, depth: number): readonly SensitivePath[] | undefined {
  const byName = new Map(definitions.map(({ name, schema }) => [name, schema]));
  const marked = new Set(
    definitions.filter(({ schema }) => leadsToMark(schema, byName)).map(({ name }) => name),
  );
  const found = new Map<string, SensitivePath>();
  let followed = 0;
  // At depth 0 no path is left out, because no shorter path could stand for it.
  const isTooMany = (): boolean => depth > 0 && (found.size > MOST_PATHS || followed > MOST_REFERENCES);
  const visit = (
    node: JsonSchemaNode,
    path: SensitivePath,
    open: readonly string[],
    within: boolean,
  ): void => {
    if (isTooMany()) return;
    const isOpen = node.kind === "ref" && (open.includes(node.name) || open.length >= depth);
    const isHidden = node.sensitive === true || within;
    if (!within && (isHidden || (isOpen && marked.has(node.name)))) found.set(JSON.stringify(path), path);
    if (isOpen) return;
    switch (node.kind) {
      case "array":
        return visit(node.items, [...path, null], open, isHidden);
      case "object":
        for (const { name, schema } of node.properties) visit(schema, [...path, name], open, isHidden);
        if (typeof node.additional === "boolean") return;
        visit(node.additional, [...path, null], open, isHidden);
        // The keys of a map are values too; names of fields are not.
        if (isHidden) {
          const keys = [...path, node.properties.map(({ name }) => name)];
          found.set(JSON.stringify(keys), keys);
        }
        return;
      case "union":
      case "intersection":
        for (const branch of node.branches) visit(branch, path, open, isHidden);
        return;
      case "ref": {
        const target = isHidden || marked.has(node.name) ? byName.get(node.name) : undefined;
        followed += 1;
        if (target !== undefined) visit(target, path, [...open, node.name], isHidden);
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
  visit(root, [], [], false);
  if (isTooMany()) return undefined;
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
