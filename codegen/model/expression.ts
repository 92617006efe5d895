/**
 * The tree of a `${{ }}` expression. It may contain paths, literals and `??`; a condition may also compare
 * and combine. There are no calls, so an expression can be checked against schemas and printed as TypeScript,
 * and codegen never evaluates one.
 */
export type Expression =
  | { readonly kind: "literal"; readonly value: string | number | boolean | null }
  /** `payload.lines[0].sku` has the root `payload` and the segments `["lines", 0, "sku"]`. */
  | {
      readonly kind: "path";
      readonly root: string;
      readonly segments: readonly (string | number)[];
      /** Positions of the segments that are keys of an open object without a schema of their own. */
      readonly undeclared?: readonly number[];
    }
  /** `a ?? b ?? c`, two or more operands. */
  | { readonly kind: "coalesce"; readonly operands: readonly Expression[] }
  /** `!a` */
  | { readonly kind: "not"; readonly operand: Expression }
  | {
      readonly kind: "compare";
      readonly operator: ComparisonOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  /** `a && b && c` or `a || b || c`, two or more operands. */
  | { readonly kind: "all" | "any"; readonly operands: readonly Expression[] };

export const COMPARISON_OPERATORS = ["!=", "<", "<=", "==", ">", ">="] as const;
export type ComparisonOperator = (typeof COMPARISON_OPERATORS)[number];

/** The expression as a person would write it between `${{` and `}}`. */
export function expressionText(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return typeof expression.value === "string" ? quoted(expression.value) : String(expression.value);
    case "path":
      return `${expression.root}${expression.segments.map(segmentText).join("")}`;
    case "coalesce":
      return expression.operands.map((operand) => bracketed(operand, BINDING.path)).join(" ?? ");
    case "not":
      return `!${bracketed(expression.operand, BINDING.not)}`;
    case "compare": {
      const [left, right] = [expression.left, expression.right].map((side) => bracketed(side, BINDING.not));
      return `${left} ${expression.operator} ${right}`;
    }
    case "all":
      return expression.operands.map((operand) => bracketed(operand, BINDING.compare)).join(" && ");
    case "any":
      return expression.operands.map((operand) => bracketed(operand, BINDING.all)).join(" || ");
  }
}

/**
 * Binding strength of each form. As in JavaScript with `&&`, `??` needs brackets next to another operator.
 */
export const BINDING: Readonly<Record<Expression["kind"], number>> = {
  coalesce: 0,
  any: 1,
  all: 2,
  compare: 3,
  not: 4,
  literal: 5,
  path: 5,
};

function bracketed(expression: Expression, least: number): string {
  const text = expressionText(expression);
  return BINDING[expression.kind] < least ? `(${text})` : text;
}

function segmentText(segment: string | number): string {
  if (typeof segment === "number") return `[${segment}]`;
  return /^[A-Za-z_$][A-Za-z0-9_$]*$/.test(segment) ? `.${segment}` : `[${quoted(segment)}]`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** The paths that an expression reads. */
export function pathsOf(expression: Expression): readonly (Expression & { kind: "path" })[] {
  switch (expression.kind) {
    case "literal":
      return [];
    case "path":
      return [expression];
    case "not":
      return pathsOf(expression.operand);
    case "compare":
      return [expression.left, expression.right].flatMap(pathsOf);
    case "all":
    case "any":
    case "coalesce":
      return expression.operands.flatMap(pathsOf);
  }
}

/** A value with expressions, such as the `with` of an action. */
export type ValueTemplate =
  | { readonly kind: "value"; readonly value: string | number | boolean | null }
  /** The whole text is one expression, so the value keeps its type. */
  | {
      readonly kind: "expression";
      readonly expression: Expression;
      /** Whether the value is an object or a list. */
      readonly isComposite: boolean;
    }
  /** Text with embedded expressions. */
  | { readonly kind: "text"; readonly parts: readonly TemplatePart[] }
  | { readonly kind: "list"; readonly items: readonly ValueTemplate[] }
  | { readonly kind: "object"; readonly fields: readonly FieldTemplate[] };

export interface FieldTemplate {
  readonly name: string;
  readonly value: ValueTemplate;
  /** If the value is missing, the field is left out. */
  readonly optional: boolean;
}

/** One part of a string with `${{ }}`. */
export type TemplatePart =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly expression: Expression };

export function expressionsIn(template: ValueTemplate): readonly Expression[] {
  switch (template.kind) {
    case "value":
      return [];
    case "expression":
      return [template.expression];
    case "text":
      return template.parts.flatMap((part) => (part.kind === "text" ? [] : [part.expression]));
    case "list":
      return template.items.flatMap(expressionsIn);
    case "object":
      return template.fields.flatMap((field) => expressionsIn(field.value));
  }
}
