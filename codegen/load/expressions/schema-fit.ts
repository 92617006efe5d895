/**
 * Whether every value of one schema is valid for another, as far as types tell: type, format, enum values,
 * fields. Constraints on the value itself (length, pattern, bounds, unknown keys of open objects) are left to
 * the validator at run time.
 */
import type { JsonPrimitive, JsonSchemaNode } from "../../model/json-schema.js";
import { payloadValidator } from "../payload-validator.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import { describeSchema, type Resolve } from "./schema-words.js";

/**
 * A mismatch: its place inside the value (`.amount`, `[]`, empty for the value itself), and both sides in
 * words.
 */
export interface Misfit {
  readonly path: string;
  readonly wanted: string;
  readonly got: string;
}

type ObjectNode = JsonSchemaNode & { kind: "object" };

export function misfit(source: JsonSchemaNode, target: JsonSchemaNode, resolve: Resolve): Misfit | undefined {
  return new Fit(resolve).check(source, target);
}

/** `undefined` if it fits, as far as is known. */
interface Pair {
  readonly source: JsonSchemaNode;
  readonly target: JsonSchemaNode;
  readonly found: Misfit | undefined;
}

class Fit {
  readonly #resolve: Resolve;
  /**
   * Known results per pair. A schema may contain itself, so a pair that is being compared is assumed to fit.
   */
  readonly #known = new Map<JsonSchemaNode, Map<JsonSchemaNode, Pair>>();
  /** Pairs that are assumed to fit, in order. */
  readonly #trail: Pair[] = [];

  constructor(resolve: Resolve) {
    this.#resolve = resolve;
  }

  check(from: JsonSchemaNode, to: JsonSchemaNode): Misfit | undefined {
    const source = this.#resolve(from) ?? UNKNOWN_SCHEMA;
    const target = this.#resolve(to) ?? UNKNOWN_SCHEMA;
    if (source === target || source === UNKNOWN_SCHEMA || target.kind === "any") return undefined;
    const known = this.#known.get(source)?.get(target);
    if (known !== undefined) return known.found;
    const before = this.#trail.length;
    const pair = { source, target, found: undefined };
    this.#trail.push(pair);
    this.#keep(pair);
    const found = this.#compare(source, target);
    if (found === undefined) return undefined;
    // Later results may depend on the assumption that this pair fits, so they are dropped.
    for (const later of this.#trail.splice(before)) this.#known.get(later.source)?.delete(later.target);
    this.#keep({ source, target, found });
    return found;
  }

  #keep(pair: Pair): void {
    const targets = this.#known.get(pair.source) ?? new Map<JsonSchemaNode, Pair>();
    this.#known.set(pair.source, targets.set(pair.target, pair));
  }

  #compare(source: JsonSchemaNode, target: JsonSchemaNode): Misfit | undefined {
    if (source.kind === "union") return this.#first(source.branches, (one) => this.check(one, target));
    if (source.kind === "enum") return this.#values(source.values, target);
    if (target.kind === "union") return this.#oneOf(source, target.branches);
    if (target.kind === "intersection") return this.#first(target.branches, (one) => this.check(source, one));
    if (source.kind === "intersection") {
      const found = source.branches.map((one) => this.check(one, target));
      return found.includes(undefined) ? undefined : this.#misfit(source, target);
    }
    if (source.kind === "array" && target.kind === "array")
      return within("[]", this.check(source.items, target.items));
    if (source.kind === "object" && target.kind === "object") return this.#fields(source, target);
    return isSameKind(source, target) ? undefined : this.#misfit(source, target);
  }

  #first(
    branches: readonly JsonSchemaNode[],
    check: (branch: JsonSchemaNode) => Misfit | undefined,
  ): Misfit | undefined {
    return branches.map(check).find((found) => found !== undefined);
  }

  #oneOf(source: JsonSchemaNode, branches: readonly JsonSchemaNode[]): Misfit | undefined {
    const found = branches.map((branch) => this.check(source, branch));
    if (found.includes(undefined)) return undefined;
    // The branch of the same kind was probably meant, and its mismatch says more than "takes an object or
    // text, got an object".
    const [meant, ...others] = branches.flatMap((branch, index) =>
      this.#resolve(branch)?.kind === source.kind ? [found[index]] : [],
    );
    if (meant !== undefined && others.length === 0) return meant;
    return this.#misfit(source, { kind: "union", exclusive: false, branches });
  }

  /** A known value is checked by the validator itself. */
  #values(values: readonly JsonPrimitive[], target: JsonSchemaNode): Misfit | undefined {
    const validator = payloadValidator(target, this.#resolve);
    for (const value of values) {
      const issue = validator.safeParse(value).error?.issues[0];
      if (issue === undefined) continue;
      const wanted = describeSchema(target, this.#resolve);
      const isKindRight = isSameType(value, target);
      return {
        path: "",
        wanted: isKindRight ? `${wanted} that fits (${issue.message})` : wanted,
        got: JSON.stringify(value),
      };
    }
    return undefined;
  }

  #fields(source: ObjectNode, target: ObjectNode): Misfit | undefined {
    for (const { name, required, schema } of target.properties) {
      const own = source.properties.find((property) => property.name === name);
      if (required && own?.required !== true) {
        const got = own === undefined ? "not there" : "optional";
        return { path: `.${name}`, wanted: "a field that is always there", got };
      }
      const given = own?.schema ?? (typeof source.additional === "boolean" ? undefined : source.additional);
      const found = given === undefined ? undefined : this.check(given, schema);
      if (found !== undefined) return within(`.${name}`, found);
    }
    const { additional } = target;
    if (additional === true) return undefined;
    const known = new Set(target.properties.map((property) => property.name));
    const others = source.properties.filter((property) => !known.has(property.name));
    if (additional !== false) {
      const further = typeof source.additional === "boolean" ? [] : [source.additional];
      const all = [...others.map((property) => property.schema), ...further];
      return source.additional === true
        ? { path: ".*", wanted: describeSchema(additional, this.#resolve), got: "anything" }
        : within(
            ".*",
            this.#first(all, (one) => this.check(one, additional)),
          );
    }
    const [extra] = others;
    if (extra !== undefined) return { path: `.${extra.name}`, wanted: "no field of that name", got: "one" };
    // In TypeScript, the type of an object without fields accepts no fields.
    return target.properties.length === 0 && source.additional !== false
      ? { path: "", wanted: "an object without fields", got: "one that may have some" }
      : undefined;
  }

  #misfit(source: JsonSchemaNode, target: JsonSchemaNode): Misfit {
    const [wanted, got] = [target, source].map((node) => describeSchema(node, this.#resolve));
    return { path: "", wanted: wanted!, got: got! };
  }
}

function within(part: string, found: Misfit | undefined): Misfit | undefined {
  return found === undefined ? undefined : { ...found, path: `${part}${found.path}` };
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
