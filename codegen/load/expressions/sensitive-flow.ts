/** Checks whether a sensitive value (`x-sensitive`) would reach a place that logs, CLI and dashboard show. */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import type { Resolve } from "./schema-words.js";

const ANYTHING: JsonSchemaNode = { kind: "any" };

/** The path of the first such part inside the value: `.card`, or empty for the value itself. */
export function exposedPart(
  source: JsonSchemaNode,
  target: JsonSchemaNode,
  resolve: Resolve,
): string | undefined {
  return firstExposed(source, target, { resolve, seen: new Map() });
}

interface Walk {
  readonly resolve: Resolve;
  /**
   * Pairs that were compared: schemas that refer to each other would otherwise be walked along every path,
   * for ever.
   */
  readonly seen: Map<JsonSchemaNode, Set<JsonSchemaNode>>;
}

function firstExposed(source: JsonSchemaNode, target: JsonSchemaNode, walk: Walk): string | undefined {
  const from = walk.resolve(source) ?? UNKNOWN_SCHEMA;
  const to = walk.resolve(target) ?? UNKNOWN_SCHEMA;
  if (to === UNKNOWN_SCHEMA) return undefined;
  // Both a reference and the schema it names may be marked.
  if (target.sensitive === true || to.sensitive === true) return undefined;
  if (source.sensitive === true || from.sensitive === true) return "";
  const against = walk.seen.get(from) ?? new Set();
  if (against.has(to)) return undefined;
  walk.seen.set(from, against.add(to));
  for (const [step, part, place] of partsOf(from, to)) {
    const path = firstExposed(part, place, walk);
    if (path !== undefined) return `${step}${path}`;
  }
  return undefined;
}

type Part = readonly [step: string, from: JsonSchemaNode, to: JsonSchemaNode];

function partsOf(from: JsonSchemaNode, to: JsonSchemaNode): readonly Part[] {
  if (from.kind === "union" || from.kind === "intersection")
    return from.branches.map((branch) => ["", branch, to]);
  if (from.kind === "array") return [["[]", from.items, to.kind === "array" ? to.items : ANYTHING]];
  if (from.kind !== "object") return [];
  const fields = from.properties.map(({ name, schema }): Part => [`.${name}`, schema, fieldOf(to, name)]);
  const { additional } = from;
  if (typeof additional === "boolean") return fields;
  // A further key may also be one that the target declares.
  const declared = to.kind === "object" ? to.properties : [];
  const others = declared.filter(({ name }) => from.properties.every((own) => own.name !== name));
  return [
    ...fields,
    ...others.map(({ name, schema }): Part => [`.${name}`, additional, schema]),
    [".*", additional, otherFields(to)],
  ];
}

function otherFields(target: JsonSchemaNode): JsonSchemaNode {
  return target.kind !== "object" || typeof target.additional === "boolean" ? ANYTHING : target.additional;
}

function fieldOf(target: JsonSchemaNode, name: string): JsonSchemaNode {
  const properties = target.kind === "object" ? target.properties : [];
  return properties.find((candidate) => candidate.name === name)?.schema ?? otherFields(target);
}
