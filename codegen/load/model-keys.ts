/**
 * The keys that the model allows at a place: zod's issues do not contain them, and "did you mean" needs them.
 */
import type { z } from "zod";
import { findEntry, type SourceNode, textOf } from "./source.js";

type Schema = z.core.$ZodType;

/** Sorted keys of the map at `path`; empty if any key is allowed. `node` selects the branch of a union. */
export function allowedKeys(schema: Schema, path: readonly PropertyKey[], node: SourceNode): string[] {
  const found = new Set<string>();
  for (const leaf of descend(schema, path)) for (const key of keysOf(leaf, node)) found.add(key);
  return [...found].sort();
}

function descend(schema: Schema, path: readonly PropertyKey[]): Schema[] {
  const [head, ...rest] = path;
  if (head === undefined) return [schema];
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "optional") return descend(def.innerType, path);
  if (def.type === "record") return descend(def.valueType, rest);
  if (def.type === "array") return descend(def.element, rest);
  if (def.type === "union") return def.options.flatMap((option) => descend(option, path));
  const child = def.type === "object" ? def.shape[String(head)] : undefined;
  return child === undefined ? [] : descend(child, rest);
}

function keysOf(schema: Schema, node: SourceNode): string[] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "optional") return keysOf(def.innerType, node);
  if (def.type === "union")
    return def.options.flatMap((option) => (fits(option, node) ? keysOf(option, node) : []));
  return def.type === "object" ? Object.keys(def.shape) : [];
}

/** Keys that distinguish the branches of a union. */
const DISCRIMINATORS = ["mode", "type"];

/** A branch with fixed words for `type` or `mode` fits only a map with one of them. */
function fits(option: Schema, node: SourceNode): boolean {
  const { def } = (option as z.core.$ZodTypes)._zod;
  return DISCRIMINATORS.every((key) => {
    const words = def.type === "object" ? wordsOf(def.shape[key] as z.core.$ZodTypes | undefined) : undefined;
    const written = textOf(findEntry(node, key)?.value);
    return words === undefined || written === undefined || words.includes(written);
  });
}

function wordsOf(schema: z.core.$ZodTypes | undefined): readonly unknown[] | undefined {
  const def = schema?._zod.def;
  if (def?.type === "literal") return def.values;
  return def?.type === "enum" ? Object.values(def.entries) : undefined;
}
