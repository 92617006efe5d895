/** Checks that need the definitions of all names: infinite recursion, and discriminators of unions. */
import type { JsonSchemaNode } from "../../model/json-schema.js";

export type Definitions = ReadonlyMap<string, JsonSchemaNode>;

/** Names of definitions that no finite value can fit, because each contains itself without an alternative. */
export function unsatisfiable(definitions: Definitions): string[] {
  const finite = new Set<string>();
  for (let grew = true; grew;) {
    grew = false;
    for (const [name, schema] of definitions) {
      if (finite.has(name) || !isFinite(schema, finite)) continue;
      finite.add(name);
      grew = true;
    }
  }
  return [...definitions.keys()].filter((name) => !finite.has(name));
}

function isFinite(node: JsonSchemaNode, finite: ReadonlySet<string>): boolean {
  switch (node.kind) {
    case "array":
      return (node.minItems ?? 0) === 0 || isFinite(node.items, finite);
    case "intersection":
      return node.branches.every((branch) => isFinite(branch, finite));
    case "object":
      return node.properties.every((property) => !property.required || isFinite(property.schema, finite));
    case "ref":
      return finite.has(node.name);
    case "union":
      return node.branches.some((branch) => isFinite(branch, finite));
    case "any":
    case "boolean":
    case "enum":
    case "null":
    case "number":
    case "string":
      return true;
  }
}

/**
 * The names that lead back to themselves without a field or list between, so that a validator would not
 * return. No name outside the set leads to one in it.
 */
export function unguarded(names: ReadonlySet<string>, definitions: Definitions): string[] {
  return [...names].filter((name) => reaches(name, name, names, definitions, new Set()));
}

function reaches(
  from: string,
  goal: string,
  names: ReadonlySet<string>,
  definitions: Definitions,
  seen: Set<string>,
): boolean {
  const schema = definitions.get(from);
  if (schema === undefined || seen.has(from) || !names.has(from)) return false;
  seen.add(from);
  return directRefs(schema).some((name) => name === goal || reaches(name, goal, names, definitions, seen));
}

function directRefs(node: JsonSchemaNode): string[] {
  if (node.kind === "ref") return [node.name];
  return node.kind === "union" || node.kind === "intersection" ? node.branches.flatMap(directRefs) : [];
}

/** Every name that the node refers to. */
export function mentionedNames(node: JsonSchemaNode): string[] {
  switch (node.kind) {
    case "array":
      return mentionedNames(node.items);
    case "intersection":
    case "union":
      return node.branches.flatMap(mentionedNames);
    case "object": {
      const names = node.properties.flatMap((property) => mentionedNames(property.schema));
      return typeof node.additional === "boolean" ? names : [...names, ...mentionedNames(node.additional)];
    }
    case "ref":
      return [node.name];
    case "any":
    case "boolean":
    case "enum":
    case "null":
    case "number":
    case "string":
      return [];
  }
}

/** The node with `discriminator` set on every union whose branches differ in one required constant. */
export function withDiscriminators(node: JsonSchemaNode, definitions: Definitions): JsonSchemaNode {
  const inner = (child: JsonSchemaNode): JsonSchemaNode => withDiscriminators(child, definitions);
  switch (node.kind) {
    case "array":
      return { ...node, items: inner(node.items) };
    case "intersection":
      return { ...node, branches: node.branches.map(inner) };
    case "object": {
      const properties = node.properties.map((property) => ({ ...property, schema: inner(property.schema) }));
      return {
        ...node,
        properties,
        additional: typeof node.additional === "boolean" ? node.additional : inner(node.additional),
      };
    }
    case "union": {
      const discriminator = findDiscriminator(node.branches, definitions);
      return {
        ...node,
        branches: node.branches.map(inner),
        ...(discriminator === undefined ? {} : { discriminator }),
      };
    }
    case "any":
    case "boolean":
    case "enum":
    case "null":
    case "number":
    case "ref":
    case "string":
      return node;
  }
}

function findDiscriminator(
  branches: readonly JsonSchemaNode[],
  definitions: Definitions,
): string | undefined {
  const tags = branches.map((branch) => constants(branch, definitions));
  const [first] = tags;
  if (first === undefined || branches.length < 2) return undefined;
  return [...first.keys()].sort().find((key) => {
    const values = tags.map((tag) => tag.get(key));
    return values.every((value) => value !== undefined) && new Set(values).size === values.length;
  });
}

/** Required fields of an object that accept exactly one value. */
function constants(branch: JsonSchemaNode, definitions: Definitions): Map<string, string> {
  const object = resolve(branch, definitions);
  const found = new Map<string, string>();
  if (object?.kind !== "object") return found;
  for (const { name, required, schema } of object.properties) {
    if (required && schema.kind === "enum" && schema.values.length === 1)
      found.set(name, JSON.stringify(schema.values[0]));
  }
  return found;
}

/** Follows references; `undefined` if they form a cycle. */
export function resolve(node: JsonSchemaNode, definitions: Definitions): JsonSchemaNode | undefined {
  const seen = new Set<string>();
  let current: JsonSchemaNode | undefined = node;
  while (current?.kind === "ref") {
    if (seen.has(current.name)) return undefined;
    seen.add(current.name);
    current = definitions.get(current.name);
  }
  return current;
}
