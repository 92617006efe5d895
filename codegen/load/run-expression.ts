/** Expressions as a run keeps them: lists that JSON holds and the worker evaluates. */
import type { Expression as RunExpression } from "../../runtime/definition/index.js";
import type { Expression, ValueTemplate } from "../model/expression.js";

const OPERATORS = { all: "&&", any: "||", coalesce: "??" } as const;

export function runExpression(expression: Expression): RunExpression {
  switch (expression.kind) {
    case "literal":
      return ["value", expression.value];
    case "path":
      return ["path", expression.root, ...expression.segments];
    case "not":
      return ["not", runExpression(expression.operand)];
    case "compare":
      return [expression.operator, runExpression(expression.left), runExpression(expression.right)];
    case "all":
    case "any":
    case "coalesce": {
      const operator = OPERATORS[expression.kind];
      return expression.operands
        .map(runExpression)
        .reduceRight((right, left): RunExpression => [operator, left, right]);
    }
  }
}

export function runTemplate(template: ValueTemplate): RunExpression {
  switch (template.kind) {
    case "value":
      return ["value", template.value];
    case "expression":
      return runExpression(template.expression);
    case "text":
      return [
        "text",
        template.parts.map((part) =>
          part.kind === "text" ? (["value", part.text] as const) : runExpression(part.expression),
        ),
      ];
    case "list":
      return ["list", template.items.map(runTemplate)];
    case "object":
      return [
        "object",
        Object.fromEntries(template.fields.map(({ name, value }) => [name, runTemplate(value)])),
      ];
  }
}
