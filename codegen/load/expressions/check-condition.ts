/** Checks a text that consists of exactly one `${{ }}` expression; a condition must be a boolean. */
import type { Expression } from "../../model/expression.js";
import {
  type ExpressionProblem,
  type LocatedExpression,
  parseTemplate,
  toExpression,
} from "./expression-parser.js";
import { originIn } from "./expression-place.js";
import type { Grammar } from "./expression-tokens.js";
import { expectBoolean, type Scope, undeclaredIn } from "./expression-types.js";
import type { Reporter } from "../reporter.js";
import { type SourceNode, type SourceScalar, textOf } from "../source.js";

/** `by`: the key that contains the condition, for messages. */
export function checkCondition(
  by: string,
  node: SourceNode | undefined,
  scope: Scope,
  reporter: Reporter,
): Expression | undefined {
  const only = onlyExpression(node, "condition", reporter);
  if (only === undefined) return undefined;
  const problems: ExpressionProblem[] = [];
  expectBoolean(only.expression, scope, problems, by);
  reportProblems(only, problems, reporter);
  return toExpression(only.expression, (path) => undeclaredIn(path, scope));
}

export interface OnlyExpression {
  readonly node: SourceScalar;
  readonly text: string;
  readonly expression: LocatedExpression;
}

/** `undefined` after reporting a problem, and without a text, which the structure check has reported. */
export function onlyExpression(
  node: SourceNode | undefined,
  grammar: Grammar,
  reporter: Reporter,
): OnlyExpression | undefined {
  const text = textOf(node);
  if (text === undefined || text === "" || node?.kind !== "scalar") return undefined;
  const template = parseTemplate(text, grammar);
  if (!template.ok) {
    const { message, hint, range } = template.problem;
    reporter.report({ code: "TW130", at: originIn(node, text, range), message, hint });
    return undefined;
  }
  const [only] = template.parts;
  if (template.parts.length !== 1 || only?.kind !== "expression") {
    const message = "expected one ${{ }} expression and nothing beside it";
    const hint = text.includes("${{") ? "put all of it inside of ${{ }}" : `write "\${{ ${text.trim()} }}"`;
    reporter.report({ code: "TW130", at: node.origin, message, hint });
    return undefined;
  }
  return { node, text, expression: only.expression };
}

export function reportProblems(
  { node, text }: OnlyExpression,
  problems: readonly ExpressionProblem[],
  reporter: Reporter,
): void {
  for (const { code = "TW131", message, hint, range } of problems)
    reporter.report({ code, at: originIn(node, text, range), message, hint });
}
