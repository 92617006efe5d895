/** Converts expressions to the form that a run stores: JSON lists, which the worker evaluates. */
import type { Expression as RunExpression } from "../../../runtime/definition/index.js";
import type { Expression, ValueTemplate } from "../../model/expression.js";

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
      return joined(OPERATORS[expression.kind], expression.operands.map(runExpression));
    }
  }
}

/** In halves, which means the same: TypeScript refuses to compile what is nested fifty levels deep. */
function joined(operator: "&&" | "||" | "??", operands: readonly RunExpression[]): RunExpression {
  if (operands.length === 1) return operands[0]!;
  const half = Math.ceil(operands.length / 2);
  return [operator, joined(operator, operands.slice(0, half)), joined(operator, operands.slice(half))];
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
