/** Checks that two compared values have types for which the result is not always the same. */
import type { ComparisonOperator } from "../../model/expression.js";
import { expressionText } from "../../model/expression.js";
import type { JsonPrimitive, JsonSchemaNode } from "../../model/json-schema.js";
import { listed, quote } from "../../model/quote.js";
import { didYouMean } from "../did-you-mean.js";
import { type ExpressionProblem, type LocatedExpression, toExpression } from "./expression-parser.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import {
  because,
  describeSchema,
  kindName,
  leavesOf,
  mayBeNull,
  notScalar,
  type Resolve,
  type ValueType,
} from "./schema-words.js";

export interface Side {
  readonly expression: LocatedExpression;
  readonly type: ValueType;
}

export function compareProblem(
  operator: ComparisonOperator,
  left: Side,
  right: Side,
  resolve: Resolve,
): ExpressionProblem | undefined {
  const sides = [left, right];
  if (sides.some(({ type }) => leavesOf(type.schema, resolve).includes(UNKNOWN_SCHEMA))) return undefined;
  if (sides.every(({ expression }) => expression.kind === "literal")) {
    const range = { start: left.expression.range.start, end: right.expression.range.end };
    return { message: "two literals are compared, so the result is always the same", range };
  }
  const isEquality = operator === "==" || operator === "!=";
  const nullSide = sides.find(({ expression }) => expression.kind === "literal" && expression.value === null);
  if (isEquality && nullSide !== undefined) return neverNull(nullSide === left ? right : left, resolve);
  const problem = sideProblem(left, resolve) ?? sideProblem(right, resolve);
  if (problem !== undefined) return problem;
  return isEquality
    ? neverEqual(left, right, resolve)
    : sides.map((side) => notANumber(operator, side, resolve)).find((found) => found !== undefined);
}

/** `== null` tests whether there is a value, so it is pointless if there always is. */
function neverNull({ type, expression }: Side, resolve: Resolve): ExpressionProblem | undefined {
  if (type.optional || mayBeNull(type.schema, resolve)) return undefined;
  return {
    message: `${textOf(expression)} always has a value, so it is never null`,
    range: expression.range,
  };
}

function sideProblem({ type, expression }: Side, resolve: Resolve): ExpressionProblem | undefined {
  const { range } = expression;
  const bad = notScalar(type.schema, resolve);
  if (bad !== undefined) {
    const hint = bad.kind === "any" ? "give the field a type" : "name one of its fields";
    return { message: `${textOf(expression)} is ${kindName(bad)} and cannot be compared`, hint, range };
  }
  if (!type.optional && !mayBeNull(type.schema, resolve)) return undefined;
  const message = `${textOf(expression)} may be missing or null${because(type.why)}`;
  return { message, hint: `add ?? and a value: (${textOf(expression)} ?? ...)`, range };
}

function notANumber(
  operator: string,
  { type, expression }: Side,
  resolve: Resolve,
): ExpressionProblem | undefined {
  const other = leavesOf(type.schema, resolve).find(
    (leaf) => !typesOf(leaf).every((kind) => kind === "number"),
  );
  if (other === undefined) return undefined;
  const message = `${operator} compares numbers, and ${textOf(expression)} is ${describeSchema(other, resolve)}`;
  return { message, range: expression.range };
}

function neverEqual(left: Side, right: Side, resolve: Resolve): ExpressionProblem | undefined {
  const [one, other] = [left, right].map(({ type }) => leavesOf(type.schema, resolve));
  const isPossible = one!.some((a) => other!.some((b) => mayEqual(a, b)));
  if (isPossible) return undefined;
  const at = left.expression.kind === "literal" ? left : right;
  const subject = at === left ? right : left;
  const message = `${textOf(subject.expression)} is ${describeSchema(subject.type.schema, resolve)}, never ${describe(at, resolve)}`;
  const hint = suggestion(at, subject, resolve);
  return { message, range: at.expression.range, ...(hint === undefined ? {} : { hint }) };
}

function describe({ type, expression }: Side, resolve: Resolve): string {
  const text = describeSchema(type.schema, resolve);
  return expression.kind === "literal" ? text : `${text}, as ${textOf(expression)} is`;
}

/** The value of an enum that was probably meant. */
function suggestion(at: Side, subject: Side, resolve: Resolve): string | undefined {
  const values = leavesOf(subject.type.schema, resolve).flatMap((leaf) =>
    leaf.kind === "enum" ? leaf.values.filter((value) => typeof value === "string") : [],
  );
  if (at.expression.kind !== "literal" || typeof at.expression.value !== "string" || values.length === 0)
    return undefined;
  return didYouMean(at.expression.value, values) ?? `values: ${listed(values.map(quote))}`;
}

function mayEqual(a: JsonSchemaNode, b: JsonSchemaNode): boolean {
  const [few, many] = a.kind === "enum" ? [a, b] : [b, a];
  if (few.kind === "enum" && many.kind === "enum")
    return few.values.some((value) => many.values.includes(value));
  return typesOf(a).some((kind) => typesOf(b).includes(kind));
}

/** The type names of a leaf's values. */
function typesOf(leaf: JsonSchemaNode): string[] {
  return leaf.kind === "enum" ? leaf.values.map(typeName) : [leaf.kind];
}

function typeName(value: JsonPrimitive): string {
  return value === null ? "null" : typeof value;
}

function textOf(expression: LocatedExpression): string {
  return expressionText(toExpression(expression));
}
