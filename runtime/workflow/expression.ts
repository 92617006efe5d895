/** Evaluates the expressions of a definition on JSON values. */
import type { Expression } from "../definition/index.js";

/** The roots of paths. */
export type Scope = Readonly<Record<string, unknown>>;

export function evaluate(expression: Expression, scope: Scope): unknown {
  switch (expression[0]) {
    case "value":
      return expression[1];
    case "path":
      return read(expression, scope);
    case "object":
      return evaluateFields(expression[1], scope);
    case "list":
      return expression[1].map((entry) => evaluate(entry, scope));
    case "text":
      return expression[1].map((part) => text(evaluate(part, scope))).join("");
    case "not":
      return evaluate(expression[1], scope) !== true;
    case "??":
      return evaluate(expression[1], scope) ?? evaluate(expression[2], scope);
    case "&&":
      return evaluate(expression[1], scope) === true && evaluate(expression[2], scope) === true;
    case "||":
      return evaluate(expression[1], scope) === true || evaluate(expression[2], scope) === true;
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return compare(expression[0], evaluate(expression[1], scope), evaluate(expression[2], scope));
  }
}

/** Leaves out fields without a value. A single pass, because it runs for each payload of a step. */
function evaluateFields(fields: Readonly<Record<string, Expression>>, scope: Scope): object {
  const values: Record<string, unknown> = {};
  for (const [key, expression] of Object.entries(fields)) {
    const value = evaluate(expression, scope);
    if (value === undefined) continue;
    // A plain assignment would set the prototype instead of a field.
    if (key === "__proto__")
      Object.defineProperty(values, key, { value, configurable: true, enumerable: true, writable: true });
    else values[key] = value;
  }
  return values;
}

/**
 * Reads own properties only, so `constructor` of a payload is absent. The first segment of the path is the
 * word "path".
 */
function read(path: readonly (string | number)[], scope: Scope): unknown {
  let value: unknown = scope;
  for (let i = 1; i < path.length; i++) {
    const segment = path[i]!;
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, segment)) return undefined;
    value = (value as Record<string | number, unknown>)[segment];
  }
  return value;
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  return value === undefined || value === null ? "" : JSON.stringify(value);
}

/** An absent value equals null, and every order comparison with it is false. */
function compare(operator: "==" | "!=" | "<" | "<=" | ">" | ">=", left: unknown, right: unknown): boolean {
  if (operator === "==") return (left ?? null) === (right ?? null);
  if (operator === "!=") return (left ?? null) !== (right ?? null);
  const ordered =
    (typeof left === "number" && typeof right === "number") ||
    (typeof left === "string" && typeof right === "string");
  if (!ordered) return false;
  switch (operator) {
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
  }
}

/** Names of the steps whose results an expression reads. */
export function stepsRead(expression: Expression | undefined): readonly string[] {
  if (expression === undefined) return [];
  switch (expression[0]) {
    case "value":
      return [];
    case "path":
      return expression[1] === "steps" && expression[2] !== undefined ? [String(expression[2])] : [];
    case "object":
      return Object.values(expression[1]).flatMap(stepsRead);
    case "list":
    case "text":
      return expression[1].flatMap(stepsRead);
    case "not":
      return stepsRead(expression[1]);
    case "??":
    case "&&":
    case "||":
    case "==":
    case "!=":
    case "<":
    case "<=":
    case ">":
    case ">=":
      return [...stepsRead(expression[1]), ...stepsRead(expression[2])];
  }
}
