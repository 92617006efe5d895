/** Prints a value with expressions as TypeScript that computes it. */
import { expressionsIn, type FieldTemplate, type ValueTemplate } from "../model/expression.js";
import { expressionSource, joinsOf, rootsOf } from "./expression-source.js";
import { templateSource } from "./key-function.js";
import { type Layout, list } from "./layout.js";
import { identifier, literal, propertyKey } from "./source-text.js";

/** Lists only the roots that are read, because strict compiler settings reject an unused parameter. */
export function parameters(roots: readonly string[]): string {
  return `(${[...new Set(roots)].map(identifier).join(", ")})`;
}

export function valueLayout(template: ValueTemplate): Layout {
  switch (template.kind) {
    case "value":
      return literal(template.value);
    case "expression": {
      const source = expressionSource(template.expression);
      return template.isComposite ? `plain(${source})` : source;
    }
    case "text":
      return templateSource(template.parts);
    case "list":
      return list("[", template.items.map(valueLayout), "]");
    case "object":
      return objectLayout(template.fields);
  }
}

function objectLayout(fields: readonly FieldTemplate[]): Layout {
  const member = ({ name, value }: FieldTemplate): Layout => [`${propertyKey(name)}: `, valueLayout(value)];
  const optional = fields.filter((field) => field.optional).map(member);
  const rest: Layout[] = optional.length === 0 ? [] : [["...present(", list("{", optional, "}"), ")"]];
  return list("{", [...fields.filter((field) => !field.optional).map(member), ...rest], "}");
}

/** The functions of `taskweft/generated-v1` that the value calls. */
export function helpersOf(template: ValueTemplate): readonly string[] {
  switch (template.kind) {
    case "value":
      return [];
    case "expression":
      return [...(template.isComposite ? ["plain"] : []), ...joinsOf(template.expression)];
    case "text":
      return ["keyText"];
    case "list":
      return template.items.flatMap(helpersOf);
    case "object": {
      const mayLack = template.fields.some((field) => field.optional);
      return [...(mayLack ? ["present"] : []), ...template.fields.flatMap((field) => helpersOf(field.value))];
    }
  }
}

export function templateRoots(template: ValueTemplate): readonly string[] {
  return expressionsIn(template).flatMap(rootsOf);
}
