/**
 * A value with `${{ }}` as written in YAML: its template and its type. If a schema is expected, each part is
 * compared with its part of that schema, so that a problem is reported at the line that must change.
 */
import type { FieldTemplate, ValueTemplate } from "../../model/expression.js";
import type { JsonSchemaNode } from "../../model/json-schema.js";
import { listed, quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import { parseTemplate, type LocatedPart, toExpression, toTemplatePart } from "./expression-parser.js";
import { originIn } from "./expression-place.js";
import { type Scope, typeOf, undeclaredIn } from "./expression-types.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import { checkFieldName } from "../payload/field-names.js";
import type { Problem, Reporter } from "../reporter.js";
import { misfit } from "./schema-fit.js";
import { exposedPart } from "./sensitive-flow.js";
import { because, leavesOf, mayBeNull, notScalar, type ValueType } from "./schema-words.js";
import type { Origin, SourceEntry, SourceNode, SourceScalar } from "../source.js";

export interface TemplateContext {
  readonly scope: Scope;
  readonly reporter: Reporter;
  /** Diagnostic code for values that do not fit the expected schema. */
  readonly code: Problem["code"];
  /** The receiver, for messages: the name of a task. */
  readonly taker: string;
}

/** What is expected: `schema`, for the field `path`. */
interface Wanted {
  readonly schema: JsonSchemaNode;
  /** Whether the value may be missing. */
  readonly optional: boolean;
  /** `total`, `lines[].sku`; empty for the whole value. */
  readonly path: string;
}

interface Made {
  readonly template: ValueTemplate;
  readonly type: ValueType;
  /** For an expression: its position without the brackets. */
  readonly at?: Origin;
}

/** The template and type of a map of fields without an expected schema. */
export function freeTemplate(
  node: SourceNode & { kind: "map" },
  at: Origin,
  context: TemplateContext,
): { readonly template: ValueTemplate; readonly schema: JsonSchemaNode } {
  const { template, type } = new Maker(context).make(node, at, ANYTHING);
  return { template, schema: type.schema };
}

const UNKNOWN: ValueType = { schema: UNKNOWN_SCHEMA, optional: false };

/** The template of a map of fields, which must fit `schema`. `at`: where a missing field is reported. */
export function objectTemplate(
  node: SourceNode & { kind: "map" },
  at: Origin,
  schema: JsonSchemaNode,
  context: TemplateContext,
): ValueTemplate {
  return new Maker(context).make(node, at, { schema, optional: false, path: "" }).template;
}

class Maker {
  readonly #context: TemplateContext;

  constructor(context: TemplateContext) {
    this.#context = context;
  }

  make(node: SourceNode, at: Origin, wanted: Wanted): Made {
    const schema = this.#resolve(wanted.schema);
    if (node.kind === "map" && schema.kind === "object") return this.#object(node, at, wanted, schema);
    if (node.kind === "list" && schema.kind === "array") return this.#list(node, wanted, schema);
    const made = this.#free(node, wanted.path);
    // Maps and empty values are marked at their key, because an empty value has no text.
    const hasOwnPlace = node.kind === "list" || (node.kind === "scalar" && node.value !== null);
    this.#hold(made.type, hasOwnPlace ? (made.at ?? node.origin) : at, wanted);
    return made;
  }

  #object(
    node: SourceNode & { kind: "map" },
    at: Origin,
    wanted: Wanted,
    schema: JsonSchemaNode & { kind: "object" },
  ): Made {
    const written = new Set(node.entries.map((entry) => entry.key));
    for (const { name, required } of schema.properties) {
      if (!required || written.has(name)) continue;
      this.#report(at, `${this.#context.taker} needs ${quote(join(wanted.path, name))}`);
    }
    const fields = node.entries.map((entry): FieldTemplate => {
      checkFieldName(this.#context, entry.key, entry.keyOrigin);
      const property = schema.properties.find((candidate) => candidate.name === entry.key);
      const path = join(wanted.path, entry.key);
      if (property !== undefined)
        return this.#field(entry, { schema: property.schema, optional: !property.required, path });
      if (schema.additional === false) this.#unknown(entry, schema, wanted.path);
      const open: JsonSchemaNode = schema.additional === true ? { kind: "any" } : UNKNOWN_SCHEMA;
      const further = typeof schema.additional === "boolean" ? open : schema.additional;
      return this.#field(entry, { schema: further, optional: true, path });
    });
    return { template: { kind: "object", fields }, type: UNKNOWN };
  }

  #field({ key, keyOrigin, value }: SourceEntry, wanted: Wanted): FieldTemplate {
    const { template, type } = this.make(value, keyOrigin, wanted);
    return { name: key, value: template, optional: type.optional };
  }

  #unknown(entry: SourceEntry, schema: JsonSchemaNode & { kind: "object" }, path: string): void {
    const names = schema.properties.map((property) => property.name);
    const others = names.length === 0 ? "it takes no fields" : `fields: ${listed(names)}`;
    const message = `${this.#context.taker} has no ${quote(join(path, entry.key))}`;
    this.#report(entry.keyOrigin, message, didYouMean(entry.key, names) ?? others);
  }

  #list(
    node: SourceNode & { kind: "list" },
    wanted: Wanted,
    schema: JsonSchemaNode & { kind: "array" },
  ): Made {
    const { items: item, minItems = 0, maxItems = Infinity } = schema;
    const { length } = node.items;
    if (length < minItems || length > maxItems) {
      const limit = length < minItems ? `at least ${minItems}` : `at most ${maxItems}`;
      this.#report(node.origin, `${wanted.path}: expected ${limit} entries, got ${length}`);
    }
    const path = `${wanted.path}[]`;
    const items = node.items.map((one) =>
      this.make(one, one.origin, { schema: item, optional: false, path }),
    );
    return { template: { kind: "list", items: items.map(({ template }) => template) }, type: UNKNOWN };
  }

  /** For a value without a schema for its parts: only its type as a whole is compared. `path`: its place. */
  #free(node: SourceNode, path: string): Made {
    if (node.kind === "scalar") return this.#scalar(node);
    if (node.kind === "list") {
      const items = node.items.map((one) => this.make(one, one.origin, { ...ANYTHING, path: `${path}[]` }));
      const branches = items.map(({ type }) => type.schema);
      const schema: JsonSchemaNode = { kind: "array", items: unionOf(branches) };
      const template = { kind: "list", items: items.map((item) => item.template) } as const;
      return { template, type: { schema, optional: false } };
    }
    const made = node.entries.map(({ key, keyOrigin, value }) => {
      checkFieldName(this.#context, key, keyOrigin);
      return {
        key,
        ...this.make(value, keyOrigin, { ...ANYTHING, optional: true, path: join(path, key) }),
      };
    });
    const fields = made.map(({ key, template, type }) => ({
      name: key,
      value: template,
      optional: type.optional,
    }));
    const properties = made.map(({ key, type }) => ({
      name: key,
      required: !type.optional,
      schema: type.schema,
    }));
    const schema: JsonSchemaNode = { kind: "object", properties, additional: false };
    return { template: { kind: "object", fields }, type: { schema, optional: false } };
  }

  #scalar(node: SourceScalar): Made {
    const { value } = node;
    if (typeof value !== "string" || !value.includes("${{")) {
      const schema: JsonSchemaNode = value === null ? { kind: "null" } : { kind: "enum", values: [value] };
      return { template: { kind: "value", value }, type: { schema, optional: false } };
    }
    const parsed = parseTemplate(value);
    if (!parsed.ok) {
      const { message, hint, range } = parsed.problem;
      this.#context.reporter.report({ code: "TW130", at: originIn(node, value, range), message, hint });
      return { template: { kind: "value", value }, type: UNKNOWN };
    }
    const [only] = parsed.parts;
    return parsed.parts.length === 1 && only?.kind === "expression"
      ? this.#expression(node, value, only)
      : this.#text(node, value, parsed.parts);
  }

  #expression(node: SourceScalar, text: string, { expression }: LocatedPart & { kind: "expression" }): Made {
    const type = this.#typeOf(node, text, expression);
    const { scope } = this.#context;
    const isComposite = notScalar(type.schema, scope.resolve) !== undefined;
    const printed = toExpression(expression, (path) => undeclaredIn(path, scope));
    const template = { kind: "expression", expression: printed, isComposite } as const;
    return { template, type, at: originIn(node, text, expression.range) };
  }

  /** Every expression within a text must be a scalar and always have a value. */
  #text(node: SourceScalar, text: string, parts: readonly LocatedPart[]): Made {
    const { reporter, scope } = this.#context;
    let sensitive = false;
    for (const part of parts) {
      if (part.kind === "text") continue;
      const { schema, optional, why } = this.#typeOf(node, text, part.expression);
      sensitive ||= exposedPart(schema, { kind: "any" }, scope.resolve) !== undefined;
      const at = originIn(node, text, part.expression.range);
      if (notScalar(schema, scope.resolve) !== undefined) {
        const message = "a text is made of text, numbers and booleans";
        reporter.report({ code: "TW131", at, message, hint: "name one of its fields" });
      } else if (optional || mayBeNull(schema, scope.resolve)) {
        const message = "a part of a text must always have a value, and this may be missing or null";
        const hint = "add ?? and a value: ${{ ... ?? 'none' }}";
        reporter.report({ code: "TW131", at, message: `${message}${because(why)}`, hint });
      }
    }
    const template = {
      kind: "text",
      parts: parts.map((part) => toTemplatePart(part, (path) => undeclaredIn(path, scope))),
    } as const;
    return { template, type: { schema: { kind: "string", sensitive }, optional: false } };
  }

  #typeOf(
    node: SourceScalar,
    text: string,
    expression: (LocatedPart & { kind: "expression" })["expression"],
  ): ValueType {
    const problems: Parameters<typeof typeOf>[2] = [];
    const type = typeOf(expression, this.#context.scope, problems);
    for (const { code = "TW131", message, hint, range } of problems)
      this.#context.reporter.report({ code, at: originIn(node, text, range), message, hint });
    return problems.length === 0 ? type : UNKNOWN;
  }

  #hold(type: ValueType, at: Origin, wanted: Wanted): void {
    const { resolve } = this.#context.scope;
    const field = wanted.path === "" ? "the payload" : wanted.path;
    if (type.optional && !wanted.optional) {
      const message = `${field} of ${this.#context.taker} is always needed, and this value may be missing${because(type.why)}`;
      this.#report(at, message, "add ?? and a value: ${{ ... ?? 'none' }}");
      return;
    }
    this.#guard(type.schema, at, field, wanted);
    const found = misfit(type.schema, wanted.schema, resolve);
    if (found === undefined) return;
    const isNull = found.path === "" && mayBeNull(type.schema, resolve) && found.got === "null";
    const hint = isNull && leavesOf(type.schema, resolve).length > 1 ? "add ?? and a value" : undefined;
    const message = `${field}${found.path} of ${this.#context.taker} takes ${found.wanted}, got ${found.got}`;
    this.#report(at, message, hint);
  }

  /** Tools show every unmarked field of a payload, even if its value is sensitive at its origin. */
  #guard(schema: JsonSchemaNode, at: Origin, field: string, wanted: Wanted): void {
    const { reporter, scope, taker } = this.#context;
    const path = exposedPart(schema, wanted.schema, scope.resolve);
    if (path === undefined) return;
    const message = `${field}${path} of ${taker} would show what is x-sensitive where it comes from`;
    const hint = "mark the field of the task x-sensitive too, or leave it out";
    reporter.report({ code: "TW182", severity: "warning", at, message, hint });
  }

  #resolve(schema: JsonSchemaNode): JsonSchemaNode {
    return this.#context.scope.resolve(schema) ?? UNKNOWN_SCHEMA;
  }

  #report(at: Origin, message: string, hint?: string): void {
    this.#context.reporter.report({ code: this.#context.code, at, message, hint });
  }
}

function unionOf(branches: readonly JsonSchemaNode[]): JsonSchemaNode {
  if (branches.length === 0) return { kind: "any" };
  return branches.length === 1 ? branches[0]! : { kind: "union", exclusive: false, branches };
}

const ANYTHING: Wanted = { schema: UNKNOWN_SCHEMA, optional: false, path: "" };

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
