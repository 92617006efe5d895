/**
 * Finds `allOf`s that no value can fit, because two branches want different kinds of value in one place. To
 * TypeScript such a place is `never`, and generated code that reads it would not compile.
 */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import { quote } from "../../model/quote.js";
import { describeSchema, leavesOf, type Resolve } from "../expressions/schema-words.js";
import { UNKNOWN_SCHEMA } from "./compiler.js";

export interface Contradiction {
  /** Names of the fields that lead to the place; none for the value itself. */
  readonly fields: readonly string[];
  readonly wanted: readonly [JsonSchemaNode, JsonSchemaNode];
}

export function contradictionText({ fields, wanted }: Contradiction, resolve: Resolve): string {
  const [one, other] = wanted.map((schema) => describeSchema(schema, resolve));
  const place = fields.length === 0 ? "the value" : quote(fields.join("."));
  return `no value fits all branches: ${place} is ${one} in one and ${other} in another`;
}

export function findContradiction(
  branches: readonly JsonSchemaNode[],
  resolve: Resolve,
): Contradiction | undefined {
  const seen = new Map<JsonSchemaNode, Set<JsonSchemaNode>>();
  const compare = (a: JsonSchemaNode, b: JsonSchemaNode): Contradiction | undefined => {
    const [one, other] = [resolve(a) ?? UNKNOWN_SCHEMA, resolve(b) ?? UNKNOWN_SCHEMA];
    const against = seen.get(one) ?? new Set();
    if (one === other || against.has(other)) return undefined;
    // Schemas that refer to each other would otherwise be walked for ever.
    seen.set(one, against.add(other));
    if (one.kind === "intersection") return firstOf(one.branches, (branch) => compare(branch, other));
    if (other.kind === "intersection") return firstOf(other.branches, (branch) => compare(one, branch));
    if (!haveCommonValue(one, other, resolve)) return { fields: [], wanted: [one, other] };
    if (one.kind !== "object" || other.kind !== "object") return undefined;
    return firstOf(one.properties, ({ name, schema }) => {
      const twin = other.properties.find((property) => property.name === name);
      const found = twin === undefined ? undefined : compare(schema, twin.schema);
      return found === undefined ? undefined : { ...found, fields: [name, ...found.fields] };
    });
  };
  return firstOf(branches, (branch, index) =>
    firstOf(branches.slice(index + 1), (later) => compare(branch, later)),
  );
}

function firstOf<Item, Found>(
  items: readonly Item[],
  find: (item: Item, index: number) => Found | undefined,
): Found | undefined {
  for (const [index, item] of items.entries()) {
    const found = find(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Whether a value may be of both kinds; bounds, patterns and fields do not count here. */
function haveCommonValue(one: JsonSchemaNode, other: JsonSchemaNode, resolve: Resolve): boolean {
  const [few, many] = [one, other].map((schema) => leavesOf(schema, resolve));
  return few!.some((a) => many!.some((b) => mayBeBoth(a, b)));
}

function mayBeBoth(a: JsonSchemaNode, b: JsonSchemaNode): boolean {
  if (a.kind === "any" || b.kind === "any" || a.kind === b.kind) {
    if (a.kind !== "enum" || b.kind !== "enum") return true;
    return a.values.some((value) => b.values.includes(value));
  }
  const [choice, other] = a.kind === "enum" ? [a, b] : [b, a];
  return choice.kind === "enum" && choice.values.some((value) => kindOf(value) === other.kind);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}
