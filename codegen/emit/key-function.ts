/** A key such as `idempotency.key` as a TypeScript function, so that the user's compiler checks it once more. */
import type { Expression } from "../model/expression.js";
import type { TemplatePart } from "../model/project.js";
import { identifier, literal, propertyAccess, templateText } from "./source-text.js";

export function keyFunction(parts: readonly TemplatePart[]): string {
  const text = parts.map((part) => {
    return part.kind === "text"
      ? templateText(part.text)
      : `\${keyText(${expressionSource(part.expression)})}`;
  });
  return `(payload) => \`${text.join("")}\``;
}

function expressionSource(expression: Expression): string {
  switch (expression.kind) {
    case "literal":
      return literal(expression.value);
    case "coalesce":
      return expression.operands.map(expressionSource).join(" ?? ");
    case "path":
      return pathSource(expression.root, expression.segments);
  }
}

/** Everything below the first field is read with `?.`: a missing parent gives the `??` part its turn instead of a crash. */
function pathSource(root: string, segments: readonly (string | number)[]): string {
  return segments.reduce<string>(
    (source, segment, index) => `${source}${propertyAccess(segment, index > 0)}`,
    identifier(root),
  );
}
