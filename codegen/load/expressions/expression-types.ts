/**
 * Computes the type of an expression from the schemas of its roots. Pure; a root may be anything with a
 * schema (`payload` of a key, `event` of an observer), so that expressions are checked in the same way
 * everywhere.
 */
import { expressionText } from "../../model/expression.js";
import type { JsonSchemaNode } from "../../model/json-schema.js";
import { listed } from "../../model/quote.js";
import { compareProblem } from "./comparison-types.js";
import { didYouMean } from "../did-you-mean.js";
import {
  type ExpressionProblem,
  type LocatedExpression,
  type LocatedPath,
  type LocatedSegment,
  toExpression,
} from "./expression-parser.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import {
  asSensitive,
  because,
  isSensitive,
  kindName,
  leavesOf,
  mayBeNull,
  type Resolve,
  type ValueType,
} from "./schema-words.js";

/** What an expression can read. */
export interface Scope {
  readonly roots: ReadonlyMap<string, JsonSchemaNode>;
  readonly resolve: Resolve;
  /** The reader, for messages: `a key`. */
  readonly reader: string;
  /** Rejects paths for reasons that only the place of the expression knows. */
  readonly refuse?: (path: LocatedPath) => ExpressionProblem | undefined;
  /** Why the value of a path may be missing if its schema does not tell: `step notify may be skipped`. */
  readonly whyMissing?: (path: LocatedPath) => string | undefined;
}

const BOOLEAN: ValueType = { schema: { kind: "boolean" }, optional: false };
const UNKNOWN: ValueType = { schema: UNKNOWN_SCHEMA, optional: false };

/**
 * Adds problems to `problems`; an expression with a problem has an unknown type, which passes every later
 * check.
 */
export function typeOf(
  expression: LocatedExpression,
  scope: Scope,
  problems: ExpressionProblem[],
): ValueType {
  switch (expression.kind) {
    case "literal":
      return typeOfLiteral(expression.value);
    case "path": {
      const found = scope.refuse?.(expression) ?? typeOfPath(expression, scope);
      if (!("message" in found)) {
        const why = found.optional ? scope.whyMissing?.(expression) : undefined;
        return why === undefined ? found : { ...found, why };
      }
      problems.push(found);
      return UNKNOWN;
    }
    case "coalesce":
      return typeOfCoalesce(expression.operands, scope, problems);
    case "not":
      expectBoolean(expression.operand, scope, problems, "!");
      return BOOLEAN;
    case "all":
    case "any":
      for (const operand of expression.operands)
        expectBoolean(operand, scope, problems, expression.kind === "all" ? "&&" : "||");
      return BOOLEAN;
    case "compare": {
      const { operator, left, right } = expression;
      const before = problems.length;
      const sides = [left, right].map((side) => ({ expression: side, type: typeOf(side, scope, problems) }));
      const problem =
        problems.length > before ? undefined : compareProblem(operator, sides[0]!, sides[1]!, scope.resolve);
      if (problem !== undefined) problems.push({ code: "TW180", ...problem });
      return BOOLEAN;
    }
  }
}

/** The expression must be a boolean. `by`: what requires it, an operator or a place such as `when`. */
export function expectBoolean(
  expression: LocatedExpression,
  scope: Scope,
  problems: ExpressionProblem[],
  by: string,
): void {
  const { schema, optional, why } = typeOf(expression, scope, problems);
  const { range } = expression;
  const leaves = leavesOf(schema, scope.resolve);
  if (leaves.includes(UNKNOWN_SCHEMA)) return;
  if (optional || mayBeNull(schema, scope.resolve)) {
    const message = `${by} takes true or false, and this may be missing or null${because(why)}`;
    problems.push({ code: "TW180", message, hint: "add ?? and a value: (... ?? false)", range });
    return;
  }
  const other = leaves.find((leaf) => !isBoolean(leaf));
  if (other === undefined) return;
  const message = `${by} takes true or false, and this is ${kindName(other)}`;
  problems.push({ code: "TW180", message, hint: "compare it: ... == 'text', ... > 0, ... != null", range });
}

function isBoolean(leaf: JsonSchemaNode): boolean {
  return (
    leaf.kind === "boolean" ||
    (leaf.kind === "enum" && leaf.values.every((value) => typeof value === "boolean"))
  );
}

function typeOfLiteral(value: string | number | boolean | null): ValueType {
  const schema: JsonSchemaNode = value === null ? { kind: "null" } : { kind: "enum", values: [value] };
  return { schema, optional: false };
}

/** The type of the first operand that has a value; null counts as none. */
function typeOfCoalesce(
  operands: readonly LocatedExpression[],
  scope: Scope,
  problems: ExpressionProblem[],
): ValueType {
  const { resolve } = scope;
  const branches: JsonSchemaNode[] = [];
  let last = UNKNOWN;
  let isAlwaysThere = false;
  for (const [index, operand] of operands.entries()) {
    last = typeOf(operand, scope, problems);
    const isLast = index === operands.length - 1;
    if (operand.kind === "literal" && !isLast) {
      const message =
        operand.value === null ? "null before ?? is never used" : "what follows this ?? is never used";
      problems.push({ message, hint: "let the literal stand last", range: operand.range });
    }
    const unused = neverUsed(operand, operands.slice(0, index), scope);
    if (unused !== undefined) problems.push(unused);
    if (isAlwaysThere) continue;
    branches.push(...(isLast ? [last.schema] : withoutNull(last.schema, resolve)));
    isAlwaysThere = !last.optional && !mayBeNull(last.schema, resolve);
  }
  const [only] = branches;
  const schema: JsonSchemaNode =
    branches.length === 1 && only !== undefined ? only : { kind: "union", exclusive: false, branches };
  const why = last.why === undefined ? {} : { why: last.why };
  return { schema, optional: !isAlwaysThere && last.optional, ...why };
}

/**
 * Reports an operand that is never used. TypeScript notices this too: to it, such an operand has the type
 * `never`, and the generated code would not compile.
 */
export function neverUsed(
  operand: LocatedExpression,
  before: readonly LocatedExpression[],
  scope: Scope,
): ExpressionProblem | undefined {
  if (operand.kind !== "path") return undefined;
  const earlier = before.find((one) => one.kind === "path" && isTakenBy(one, operand, scope));
  if (earlier === undefined) return undefined;
  const [own, other] = [operand, earlier].map((one) => expressionText(toExpression(one)));
  const message = `${own} is never used: wherever it has a value, ${other} has one`;
  return { message, hint: "leave it out", range: operand.range };
}

/**
 * Whether the earlier path always has a value if the later one has: the later is a field of the earlier, or
 * both belong to a union in which every branch has the earlier field.
 */
function isTakenBy(earlier: LocatedPath, later: LocatedPath, scope: Scope): boolean {
  const parent = { ...earlier, segments: earlier.segments.slice(0, -1) };
  if (isBelow(later, earlier)) return true;
  const field = earlier.segments.at(-1)?.value;
  if (field === undefined || !isBelow(later, parent)) return false;
  const found = typeOfPath(parent, scope);
  if ("message" in found) return false;
  const branches = leavesOf(found.schema, scope.resolve).filter((leaf) => leaf.kind !== "null");
  const fields = branches.map((leaf) =>
    leaf.kind === "object" ? leaf.properties.find(({ name }) => name === field) : undefined,
  );
  const isSure = fields.every((one) => one?.required === true && !mayBeNull(one.schema, scope.resolve));
  return branches.length > 1 && isSure && fields.some((one) => scope.resolve(one!.schema)?.kind === "enum");
}

function isBelow({ root, segments }: LocatedPath, above: LocatedPath): boolean {
  return (
    root === above.root &&
    segments.length > above.segments.length &&
    above.segments.every(({ value }, index) => segments[index]?.value === value)
  );
}

function withoutNull(
  schema: JsonSchemaNode,
  resolve: Resolve,
  seen = new Set<JsonSchemaNode>(),
): JsonSchemaNode[] {
  if (!mayBeNull(schema, resolve)) return [schema];
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  if (node.kind === "null" || seen.has(node)) return [];
  seen.add(node);
  const parts: JsonSchemaNode[] =
    node.kind === "enum"
      ? [{ ...node, values: node.values.filter((value) => value !== null) }]
      : node.kind === "union"
        ? node.branches.flatMap((branch) => withoutNull(branch, resolve, seen))
        : [node];
  return isSensitive(schema, resolve) ? parts.map(asSensitive) : parts;
}

/** The type of `root.segment.segment`, or the problem with it. */
function typeOfPath(
  { root, segments, range }: LocatedPath,
  { roots, resolve, reader }: Scope,
): ValueType | ExpressionProblem {
  const schema = roots.get(root);
  if (schema === undefined) {
    const names = [...roots.keys()];
    const message = `unknown name "${root}": ${reader} can read ${listed(names)} only`;
    const [only] = names;
    const field = { value: root, range };
    const isField = names.length === 1 && "schema" in step(roots.get(only!)!, field, only!, resolve);
    const suggestion = isField ? `did you mean "${only}.${root}"?` : undefined;
    const hint = didYouMean(root, names) ?? suggestion;
    const end = range.start + root.length;
    return { message, range: { ...range, end }, ...(hint === undefined ? {} : { hint }) };
  }
  let type: ValueType = { schema, optional: false };
  let path = root;
  for (const segment of segments) {
    if (type.schema === UNKNOWN_SCHEMA) return type;
    const next = step(type.schema, segment, path, resolve);
    if ("message" in next) return next;
    type = { schema: next.schema, optional: type.optional || next.optional };
    path += typeof segment.value === "number" ? `[${segment.value}]` : `.${segment.value}`;
  }
  return type;
}

/**
 * The positions of the segments that are keys which no schema declares: TypeScript reads these from an index
 * signature.
 */
export function undeclaredIn({ root, segments }: LocatedPath, { roots, resolve }: Scope): readonly number[] {
  const found: number[] = [];
  let schema = roots.get(root) ?? UNKNOWN_SCHEMA;
  for (const [index, segment] of segments.entries()) {
    const next = step(schema, segment, root, resolve);
    if ("message" in next) break;
    if (next.undeclared === true) found.push(index);
    schema = next.schema;
  }
  return found;
}

type Known = Map<JsonSchemaNode, ValueType | ExpressionProblem>;

/** A part of something sensitive is sensitive. `known`: the results for schemas that several branches name. */
function step(
  schema: JsonSchemaNode,
  segment: LocatedSegment,
  path: string,
  resolve: Resolve,
  known: Known = new Map(),
): ValueType | ExpressionProblem {
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  const found = known.get(node) ?? stepInto(schema, segment, path, resolve, known);
  known.set(node, found);
  if ("message" in found || !isSensitive(schema, resolve)) return found;
  return { ...found, schema: asSensitive(found.schema) };
}

function stepInto(
  schema: JsonSchemaNode,
  segment: LocatedSegment,
  path: string,
  resolve: Resolve,
  known: Known,
): ValueType | ExpressionProblem {
  const node = resolve(schema) ?? UNKNOWN_SCHEMA;
  const { value, range } = segment;
  if (node === UNKNOWN_SCHEMA) return UNKNOWN;
  if (node.kind === "union" || node.kind === "intersection")
    return stepThrough(node, segment, path, resolve, known);
  if (node.kind === "array" && typeof value === "number") return { schema: node.items, optional: true };
  if (node.kind === "object") {
    const name = String(value);
    const property = node.properties.find((candidate) => candidate.name === name);
    if (property !== undefined) return { schema: property.schema, optional: !property.required };
    // If the object lacks such a key, JavaScript would return the property that all objects have.
    if (typeof node.additional !== "boolean" && !(name in Object.prototype))
      return { schema: furtherOf(node, node.additional), optional: true, undeclared: true };
    const names = node.properties.map((candidate) => candidate.name);
    const hint = didYouMean(name, names) ?? (names.length === 0 ? undefined : `fields: ${listed(names)}`);
    return { message: `"${name}" does not exist on ${path}`, range, ...(hint === undefined ? {} : { hint }) };
  }
  return { message: `${path} is ${kindName(node)} and has no ${JSON.stringify(value)}`, range };
}

/**
 * The type of an undeclared key. In TypeScript it includes the types of the declared fields, because they
 * join its index signature.
 */
function furtherOf(node: JsonSchemaNode & { kind: "object" }, further: JsonSchemaNode): JsonSchemaNode {
  const branches = new Set([further, ...node.properties.map((property) => property.schema)]);
  return branches.size === 1 ? further : { kind: "union", exclusive: false, branches: [...branches] };
}

/**
 * A field of a union must exist in each branch (TypeScript reads no other), a field of an intersection in
 * one. A null branch only makes the field optional.
 */
function stepThrough(
  node: JsonSchemaNode & { kind: "union" | "intersection" },
  segment: LocatedSegment,
  path: string,
  resolve: Resolve,
  known: Known,
): ValueType | ExpressionProblem {
  const branches = node.branches.filter((branch) => (resolve(branch) ?? UNKNOWN_SCHEMA).kind !== "null");
  const steps = branches.map((branch) => step(branch, segment, path, resolve, known));
  const found = steps.filter((result) => "schema" in result);
  const missing = steps.find((result) => "message" in result);
  if (missing !== undefined && (node.kind === "union" || found.length === 0)) return missing;
  const schemas = found.map((outcome) => outcome.schema);
  const [only] = schemas;
  const schema: JsonSchemaNode =
    schemas.length === 1 && only !== undefined
      ? only
      : node.kind === "union"
        ? { kind: "union", exclusive: false, branches: schemas }
        : { kind: "intersection", branches: schemas };
  const required = found.filter((outcome) => !outcome.optional).length;
  const mayBeMissing = node.kind === "union" ? required < node.branches.length : required === 0;
  const undeclared = found.some((outcome) => outcome.undeclared === true);
  return { schema, optional: mayBeMissing, undeclared };
}
