/** `idempotency.key`, `concurrency.key`, `rateLimit.key` and `batch.key` against the payload's schema: every field exists, is a scalar, and is there whenever the key is made. */
import type { JsonSchemaNode } from "../model/json-schema.js";
import type { TemplatePart } from "../model/project.js";
import { listed } from "../model/quote.js";
import { didYouMean } from "./did-you-mean.js";
import {
  type ExpressionProblem,
  type LocatedExpression,
  type LocatedSegment,
  parseTemplate,
  type TextRange,
  toTemplatePart,
} from "./expression-parser.js";
import { UNKNOWN_SCHEMA } from "./payload/compiler.js";
import type { Reporter } from "./reporter.js";
import type { Origin, SourceScalar } from "./source.js";

type Resolve = (node: JsonSchemaNode) => JsonSchemaNode | undefined;

/** What a key that is the same for every job comes to. */
const SAME_KEY = {
  batch: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share a batch: "${{ payload.tenantId }}", or leave the key out',
  },
  concurrency: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share the limit: "${{ payload.customerId }}", or leave the key out',
  },
  idempotency: {
    message: "the key is the same for every job, so the task runs once per ttl",
    hint: 'name what makes a job one of a kind: "${{ payload.id }}"',
  },
  rateLimit: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share the rate: "${{ payload.customerId }}", or leave the key out',
  },
} as const;

/** The part of a task that has a key. */
export type KeyedRule = keyof typeof SAME_KEY;

/** The parts of the key; problems are reported at their column. */
export function checkKey(
  rule: KeyedRule,
  node: SourceScalar,
  text: string,
  payload: JsonSchemaNode,
  resolve: Resolve,
  reporter: Reporter,
): readonly TemplatePart[] | undefined {
  const template = parseTemplate(text);
  if (!template.ok) {
    const { message, hint, range } = template.problem;
    reporter.report({ code: "TW130", at: originIn(node, text, range), message, hint });
    return undefined;
  }
  const expressions = template.parts.flatMap((part) => (part.kind === "expression" ? [part.expression] : []));
  if (expressions.length === 0) {
    reporter.report({ code: "TW131", severity: "warning", at: node.origin, ...SAME_KEY[rule] });
  }
  for (const expression of expressions) {
    for (const { message, hint, range } of keyProblems(expression, payload, resolve)) {
      reporter.report({ code: "TW131", at: originIn(node, text, range), message, hint });
    }
  }
  return template.parts.map(toTemplatePart);
}

/** What an expression may give. */
interface Outcome {
  readonly schema: JsonSchemaNode;
  readonly optional: boolean;
}

function keyProblems(
  expression: LocatedExpression,
  payload: JsonSchemaNode,
  resolve: Resolve,
): ExpressionProblem[] {
  const operands = expression.kind === "coalesce" ? expression.operands : [expression];
  const problems: ExpressionProblem[] = [];
  let isAlwaysThere = false;
  for (const operand of operands) {
    const result = operandOutcome(operand, payload, resolve);
    if ("message" in result) return [...problems, result];
    isAlwaysThere ||= !result.optional;
    const problem = scalarProblem(result.schema, operand.range, resolve);
    if (problem !== undefined) problems.push(problem);
  }
  const last = operands.at(-1);
  if (!isAlwaysThere && last !== undefined && problems.length === 0) {
    const message = "the value may be missing, and a key must always have a value";
    problems.push({ message, hint: "add ?? and a value: ${{ ... ?? 'none' }}", range: last.range });
  }
  return problems;
}

function operandOutcome(
  operand: LocatedExpression,
  payload: JsonSchemaNode,
  resolve: Resolve,
): Outcome | ExpressionProblem {
  if (operand.kind === "literal") {
    const { value } = operand;
    return {
      schema: value === null ? { kind: "null" } : { kind: "enum", values: [value] },
      optional: value === null,
    };
  }
  if (operand.kind === "coalesce") throw new Error("an operand of ?? is never ?? itself");
  if (operand.root !== "payload") {
    const message = `unknown name "${operand.root}": a key can read payload only`;
    const hint = didYouMean(operand.root, ["payload"]) ?? `did you mean "payload.${operand.root}"?`;
    return { message, hint, range: { ...operand.range, end: operand.range.start + operand.root.length } };
  }
  return walk({ schema: payload, optional: false }, "payload", operand.segments, resolve);
}

function walk(
  start: Outcome,
  root: string,
  segments: readonly LocatedSegment[],
  resolve: Resolve,
): Outcome | ExpressionProblem {
  let outcome = start;
  let path = root;
  for (const segment of segments) {
    if (outcome.schema === UNKNOWN_SCHEMA) return outcome;
    const next = step(outcome.schema, segment, path, resolve);
    if ("message" in next) return next;
    outcome = { schema: next.schema, optional: outcome.optional || next.optional };
    path += typeof segment.value === "number" ? `[${segment.value}]` : `.${segment.value}`;
  }
  return outcome;
}

function step(
  schema: JsonSchemaNode,
  segment: LocatedSegment,
  path: string,
  resolve: Resolve,
): Outcome | ExpressionProblem {
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  const { value, range } = segment;
  if (node === UNKNOWN_SCHEMA) return { schema: UNKNOWN_SCHEMA, optional: false };
  if (node.kind === "union" || node.kind === "intersection") return stepThrough(node, segment, path, resolve);
  if (node.kind === "array" && typeof value === "number") return { schema: node.items, optional: true };
  if (node.kind === "object") {
    const name = String(value);
    const property = node.properties.find((candidate) => candidate.name === name);
    if (property !== undefined) return { schema: property.schema, optional: !property.required };
    if (typeof node.additional !== "boolean") return { schema: node.additional, optional: true };
    const names = node.properties.map((candidate) => candidate.name);
    const hint = didYouMean(name, names) ?? (names.length === 0 ? undefined : `fields: ${listed(names)}`);
    return { message: `"${name}" does not exist on ${path}`, range, ...(hint === undefined ? {} : { hint }) };
  }
  return { message: `${path} is ${kindName(node)} and has no ${JSON.stringify(value)}`, range };
}

/** A field of a union is there for certain only if every branch requires it; of an intersection, if one does. */
function stepThrough(
  node: JsonSchemaNode & { kind: "union" | "intersection" },
  segment: LocatedSegment,
  path: string,
  resolve: Resolve,
): Outcome | ExpressionProblem {
  const steps = node.branches.map((branch) => step(branch, segment, path, resolve));
  const found = steps.filter((result) => "schema" in result);
  const [first] = steps;
  if (found.length === 0 && first !== undefined) return first;
  const schemas = found.map((outcome) => outcome.schema);
  const schema =
    schemas.length === 1
      ? schemas[0]!
      : ({ kind: node.kind, exclusive: false, branches: schemas } as JsonSchemaNode);
  const required = found.filter((outcome) => !outcome.optional).length;
  return { schema, optional: node.kind === "union" ? required < steps.length : required === 0 };
}

const SCALARS = new Set(["boolean", "enum", "number", "string"]);

function scalarProblem(
  schema: JsonSchemaNode,
  range: TextRange,
  resolve: Resolve,
): ExpressionProblem | undefined {
  if (schema === UNKNOWN_SCHEMA) return undefined;
  const leaves = leavesOf(schema, resolve);
  if (leaves.includes(UNKNOWN_SCHEMA)) return undefined;
  const bad = leaves.find((leaf) => !SCALARS.has(leaf.kind) && leaf.kind !== "null");
  if (bad !== undefined) {
    const hint = bad.kind === "any" ? "give the field a type" : "name one of its fields";
    return {
      message: `a key is made of text, numbers and booleans, but this is ${kindName(bad)}`,
      hint,
      range,
    };
  }
  const mayBeNull = leaves.some(
    (leaf) => leaf.kind === "null" || (leaf.kind === "enum" && leaf.values.includes(null)),
  );
  if (!mayBeNull) return undefined;
  return {
    message: "the value may be null, and a key must always have a value",
    hint: "use a field that cannot be null",
    range,
  };
}

function leavesOf(schema: JsonSchemaNode, resolve: Resolve): JsonSchemaNode[] {
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  return node.kind === "union" || node.kind === "intersection"
    ? node.branches.flatMap((branch) => leavesOf(branch, resolve))
    : [node];
}

const KIND_NAMES: Readonly<Record<JsonSchemaNode["kind"], string>> = {
  any: "anything",
  array: "a list",
  boolean: "a boolean",
  enum: "a choice of values",
  intersection: "a combination",
  null: "null",
  number: "a number",
  object: "an object",
  ref: "a named schema",
  string: "text",
  union: "a choice",
};

function kindName(node: JsonSchemaNode): string {
  return KIND_NAMES[node.kind];
}

/**
 * Offsets in the decoded text -> offsets in the file. Quotes, escapes and folded lines shift them, so the n-th `${{` of
 * the text is looked up as the n-th `${{` of the source; what follows it is normally spelt the same.
 */
function originIn(node: SourceScalar, text: string, range: TextRange): Origin {
  const { source, start, end } = node.origin;
  const raw = source.text.slice(start, end);
  const before = text.slice(0, range.end).split("${{").length - 1;
  let rawOpen = -1;
  let open = -1;
  for (let count = 0; count < before; count++) {
    rawOpen = raw.indexOf("${{", rawOpen + 1);
    open = text.indexOf("${{", open + 1);
  }
  const length = range.end - open;
  if (rawOpen === -1 || open === -1 || raw.slice(rawOpen, rawOpen + length) !== text.slice(open, range.end))
    return node.origin;
  const shift = start + rawOpen - open;
  return { source, start: range.start + shift, end: range.end + shift };
}
