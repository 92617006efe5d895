/**
 * Whether every value of one schema is a value of another, as far as the kinds of values tell: type, format, choices, fields.
 * What only a value can tell (length, pattern, bounds, unknown keys of open objects) is left to the validator at run time.
 */
import type { JsonPrimitive, JsonSchemaNode } from "../model/json-schema.js";
import { payloadValidator } from "./payload-validator.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import { describeSchema, type Resolve } from "./schema-words.js";

/** What does not fit: where inside the value (`.amount`, `[]`, empty for itself), and the two in words. */
export interface Misfit {
  readonly path: string;
  readonly wanted: string;
  readonly got: string;
}

type ObjectNode = JsonSchemaNode & { kind: "object" };

export function misfit(source: JsonSchemaNode, target: JsonSchemaNode, resolve: Resolve): Misfit | undefined {
  return new Fit(resolve).check(source, target, "");
}

class Fit {
  readonly #resolve: Resolve;
  /** Pairs that are being compared: a schema may contain itself. */
  readonly #open = new Map<JsonSchemaNode, Set<JsonSchemaNode>>();

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  check(from: JsonSchemaNode, to: JsonSchemaNode, path: string): Misfit | undefined {
    const source = this.#resolve(from) ?? UNKNOWN_SCHEMA;
    const target = this.#resolve(to) ?? UNKNOWN_SCHEMA;
    if (source === target || source === UNKNOWN_SCHEMA || target.kind === "any") return undefined;
    const open = this.#open.get(source);
    if (open?.has(target) === true) return undefined;
    this.#open.set(source, new Set([...(open ?? []), target]));
    return this.#compare(source, target, path);
  }

  #compare(source: JsonSchemaNode, target: JsonSchemaNode, path: string): Misfit | undefined {
    if (source.kind === "union") return this.#first(source.branches, (one) => this.check(one, target, path));
    if (source.kind === "enum") return this.#values(source.values, target, path);
    if (target.kind === "union") return this.#oneOf(source, target.branches, path);
    if (target.kind === "intersection")
      return this.#first(target.branches, (one) => this.check(source, one, path));
    if (source.kind === "intersection") {
      const found = source.branches.map((one) => this.check(one, target, path));
      return found.includes(undefined) ? undefined : this.#misfit(source, target, path);
    }
    if (source.kind === "array" && target.kind === "array")
      return this.check(source.items, target.items, `${path}[]`);
    if (source.kind === "object" && target.kind === "object") return this.#fields(source, target, path);
    return isSameKind(source, target) ? undefined : this.#misfit(source, target, path);
  }

  #first(
    branches: readonly JsonSchemaNode[],
    check: (branch: JsonSchemaNode) => Misfit | undefined,
  ): Misfit | undefined {
    return branches.map(check).find((found) => found !== undefined);
  }

  #oneOf(source: JsonSchemaNode, branches: readonly JsonSchemaNode[], path: string): Misfit | undefined {
    const found = branches.map((branch) => this.check(source, branch, path));
    if (found.includes(undefined)) return undefined;
    return this.#misfit(source, { kind: "union", exclusive: false, branches }, path);
  }

  /** A value that is known is judged by the validator itself. */
  #values(values: readonly JsonPrimitive[], target: JsonSchemaNode, path: string): Misfit | undefined {
    const validator = payloadValidator(target, this.#resolve);
    for (const value of values) {
      const issue = validator.safeParse(value).error?.issues[0];
      if (issue === undefined) continue;
      const wanted = describeSchema(target, this.#resolve);
      const isKindRight = isSameType(value, target);
      return {
        path,
        wanted: isKindRight ? `${wanted} that fits (${issue.message})` : wanted,
        got: JSON.stringify(value),
      };
    }
    return undefined;
  }

  #fields(source: ObjectNode, target: ObjectNode, path: string): Misfit | undefined {
    for (const { name, required, schema } of target.properties) {
      const own = source.properties.find((property) => property.name === name);
      if (required && own?.required !== true) {
        const got = own === undefined ? "not there" : "optional";
        return { path: `${path}.${name}`, wanted: "a field that is always there", got };
      }
      const found = own === undefined ? undefined : this.check(own.schema, schema, `${path}.${name}`);
      if (found !== undefined) return found;
    }
    const { additional } = target;
    if (additional === true) return undefined;
    const known = new Set(target.properties.map((property) => property.name));
    const others = source.properties.filter((property) => !known.has(property.name));
    if (additional !== false) {
      const further = typeof source.additional === "boolean" ? [] : [source.additional];
      const all = [...others.map((property) => property.schema), ...further];
      return source.additional === true
        ? { path: `${path}.*`, wanted: describeSchema(additional, this.#resolve), got: "anything" }
        : this.#first(all, (one) => this.check(one, additional, `${path}.*`));
    }
    const [extra] = others;
    return extra === undefined
      ? undefined
      : { path: `${path}.${extra.name}`, wanted: "no field of that name", got: "one" };
  }

  #misfit(source: JsonSchemaNode, target: JsonSchemaNode, path: string): Misfit {
    const [wanted, got] = [target, source].map((node) => describeSchema(node, this.#resolve));
    return { path, wanted: wanted!, got: got! };
  }
}

function isSameKind(source: JsonSchemaNode, target: JsonSchemaNode): boolean {
  if (source.kind === "string" && target.kind === "string")
    return source.format === undefined || target.format === undefined || source.format === target.format;
  if (source.kind === "number" && target.kind === "number") return source.integer || !target.integer;
  if (source.kind === "null" && target.kind === "enum") return target.values.includes(null);
  if (source.kind === "boolean" && target.kind === "enum")
    return [true, false].every((value) => target.values.includes(value));
  return source.kind === target.kind && source.kind !== "any";
}

function isSameType(value: JsonPrimitive, target: JsonSchemaNode): boolean {
  return typeof value === target.kind;
}
