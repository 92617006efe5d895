/**
 * Prints expressions as TypeScript, so that the user's compiler checks them again. `&&` and `||` become
 * function calls: with operators, the compiler would narrow the operands after them, and reject `kind == 'a'
 * || kind != 'a' && n > 2`.
 */
import { BINDING, type Expression, pathsOf } from "../model/expression.js";
import { identifier, literal, propertyAccess } from "./source-text.js";

export function expressionSource(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return literal(expression.value);
    case "path":
      return pathSource(expression);
    case "coalesce":
      return expression.operands.map((operand) => bracketed(operand, BINDING.path)).join(" ?? ");
    case "not":
      return `!${bracketed(expression.operand, BINDING.not)}`;
    case "compare":
      return comparison(expression);
    case "all":
      return joined("every", expression.operands);
    case "any":
      return joined("some", expression.operands);
  }
}

/**
 * `== null` in JavaScript has the meaning of expressions: null or absent. All other values are compared
 * without conversion.
 */
function comparison({ operator, left, right }: Expression & { kind: "compare" }): string {
  const withNull = [left, right].some((side) => side.kind === "literal" && side.value === null);
  const strict = (operator === "==" || operator === "!=") && !withNull ? `${operator}=` : operator;
  return `${bracketed(left, BINDING.not)} ${strict} ${bracketed(right, BINDING.not)}`;
}

function joined(helper: "every" | "some", operands: readonly Expression[]): string {
  return `${helper}(${operands.map(expressionSource).join(", ")})`;
}

function bracketed(expression: Expression, least: number): string {
  const source = expressionSource(expression);
  const isCall = expression.kind === "all" || expression.kind === "any";
  return !isCall && BINDING[expression.kind] < least ? `(${source})` : source;
}

/**
 * Below the first field everything is read with `?.`, so that a missing parent leads to the `??` operand
 * instead of a crash. For `item` the first field is read so too, because the result of a failed job is null.
 * Undeclared keys stand in brackets: users may have `noPropertyAccessFromIndexSignature`.
 */
function pathSource({ root, segments, undeclared = [] }: Expression & { kind: "path" }): string {
  return segments.reduce<string>((source, segment, index) => {
    const optional = index > 0 || root === "item";
    return source + propertyAccess(segment, optional, undeclared.includes(index));
  }, identifier(root));
}

/** The roots that an expression reads. */
export function rootsOf(expression: Expression): readonly string[] {
  return pathsOf(expression).map((path) => path.root);
}

/** The functions of `taskweft/generated-v1` that the printed expression calls. */
export function joinsOf(expression: Expression): readonly string[] {
  switch (expression.kind) {
    case "literal":
    case "path":
      return [];
    case "not":
      return joinsOf(expression.operand);
    case "compare":
      return [expression.left, expression.right].flatMap(joinsOf);
    case "coalesce":
      return expression.operands.flatMap(joinsOf);
    case "all":
      return ["every", ...expression.operands.flatMap(joinsOf)];
    case "any":
      return ["some", ...expression.operands.flatMap(joinsOf)];
  }
}
