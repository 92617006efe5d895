/** Whether a value that must not be seen (`x-sensitive`) would go where logs, CLI and dashboard show it. */
import type { JsonSchemaNode } from "../model/json-schema.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { Resolve } from "./schema-words.js";

const ANYTHING: JsonSchemaNode = { kind: "any" };

/** The path of the first such part inside of the value: `.card`, empty for itself. */
export function exposedPart(
  source: JsonSchemaNode,
  target: JsonSchemaNode,
  resolve: Resolve,
  seen: ReadonlySet<JsonSchemaNode> = new Set(),
): string | undefined {
  const from = resolve(source) ?? UNKNOWN_SCHEMA;
  const to = resolve(target) ?? UNKNOWN_SCHEMA;
  if (to === UNKNOWN_SCHEMA) return undefined;
  // A reference may be marked where it stands, or the schema that it names.
  if (target.sensitive === true || to.sensitive === true || seen.has(from)) return undefined;
  if (source.sensitive === true || from.sensitive === true) return "";
  const below = new Set([...seen, from]);
  const first = (found: readonly (string | undefined)[]): string | undefined =>
    found.find((path) => path !== undefined);
  if (from.kind === "union" || from.kind === "intersection")
    return first(from.branches.map((branch) => exposedPart(branch, to, resolve, below)));
  if (from.kind === "array") {
    const path = exposedPart(from.items, to.kind === "array" ? to.items : ANYTHING, resolve, below);
    return path === undefined ? undefined : `[]${path}`;
  }
  if (from.kind !== "object") return undefined;
  return first(
    from.properties.map(({ name, schema }) => {
      const path = exposedPart(schema, fieldOf(to, name), resolve, below);
      return path === undefined ? undefined : `.${name}${path}`;
    }),
  );
}

function fieldOf(target: JsonSchemaNode, name: string): JsonSchemaNode {
  if (target.kind !== "object") return ANYTHING;
  const property = target.properties.find((candidate) => candidate.name === name);
  if (property !== undefined) return property.schema;
  return typeof target.additional === "boolean" ? ANYTHING : target.additional;
}
