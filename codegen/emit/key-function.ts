/**
 * Prints a key such as `idempotency.key` as a TypeScript function, so that the user's compiler checks it
 * again.
 */
import { pathsOf } from "../model/expression.js";
import type { TemplatePart } from "../model/project.js";
import { expressionSource } from "./expression-source.js";
import { templateText } from "./source-text.js";

/** `root`: the value that the key is made of. A key that is always the same reads nothing. */
export function keyFunction(parts: readonly TemplatePart[], root: "input" | "payload" = "payload"): string {
  const reads = parts.some((part) => part.kind === "expression" && pathsOf(part.expression).length > 0);
  return `(${reads ? root : ""}) => ${templateSource(parts)}`;
}

/** Prints a text with expressions as a template literal. */
export function templateSource(parts: readonly TemplatePart[]): string {
  const text = parts.map((part) => {
    return part.kind === "text"
      ? templateText(part.text)
      : `\${keyText(${expressionSource(part.expression)})}`;
  });
  return `\`${text.join("")}\``;
}
