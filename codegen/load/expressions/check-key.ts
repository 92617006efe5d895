/**
 * Checks `idempotency.key`, `dedupe.key`, `concurrency.key`, `rateLimit.key`, `fairness.key` and `batch.key`
 * against the payload's schema: every field exists, is a scalar, and always has a value.
 */
import type { JsonSchemaNode } from "../../model/json-schema.js";
import type { TemplatePart } from "../../model/project.js";
import {
  type ExpressionProblem,
  type LocatedExpression,
  parseTemplate,
  type TextRange,
  toTemplatePart,
} from "./expression-parser.js";
import { originIn } from "./expression-place.js";
import { neverUsed, type Scope, typeOf, undeclaredIn } from "./expression-types.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import type { Reporter } from "../reporter.js";
import { kindName, leavesOf, mayBeNull, notScalar, type Resolve } from "./schema-words.js";
import type { SourceScalar } from "../source.js";

/** The consequence of a constant key. `start`: the key of a workflow. */
const SAME_KEY = {
  batch: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share a batch: "${{ payload.tenantId }}", or leave the key out',
  },
  concurrency: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share the limit: "${{ payload.customerId }}", or leave the key out',
  },
  dedupe: {
    message: "the key is the same for every job, so there is one job of the task at a time",
    hint: 'name what a job is about: "${{ payload.userId }}"',
  },
  fairness: {
    message: "the key is the same for every job, so there are no turns to take",
    hint: 'name whose jobs take turns: "${{ payload.tenantId }}", or leave fairness out',
  },
  idempotency: {
    message: "the key is the same for every job, so the task runs once per ttl",
    hint: 'name what makes a job one of a kind: "${{ payload.id }}"',
  },
  rateLimit: {
    message: "the key is the same for every job, so it divides nothing",
    hint: 'name whose jobs share the rate: "${{ payload.customerId }}", or leave the key out',
  },
  start: {
    message: "the key is the same for every run, so the workflow runs once per ttl",
    hint: 'name what makes a run one of a kind: "${{ input.id }}"',
  },
} as const;

/** The settings that have a key. */
export type KeyedRule = keyof typeof SAME_KEY;

/** Returns the parts of the key; problems are reported at their columns. */
export function checkKey(
  rule: KeyedRule,
  node: SourceScalar,
  text: string,
  payload: JsonSchemaNode,
  resolve: Resolve,
  reporter: Reporter,
): readonly TemplatePart[] | undefined {
  const template = parseTemplate(text);
  if (!template.ok) {
    const { message, hint, range } = template.problem;
    reporter.report({ code: "TW130", at: originIn(node, text, range), message, hint });
    return undefined;
  }
  const scope: Scope = {
    roots: new Map([[rule === "start" ? "input" : "payload", payload]]),
    resolve,
    reader: "a key",
  };
  const expressions = template.parts.flatMap((part) => (part.kind === "expression" ? [part.expression] : []));
  if (expressions.length === 0) {
    reporter.report({ code: "TW131", severity: "warning", at: node.origin, ...SAME_KEY[rule] });
  }
  if (template.parts.some((part) => part.kind === "text" && part.text.includes("\n"))) {
    const message = "a key has one line, so every enqueue with this one would be refused";
    reporter.report({ code: "TW131", at: node.origin, message, hint: "write it in quotes, without | or >" });
  }
  for (const expression of expressions) {
    for (const { message, hint, range } of keyProblems(expression, scope)) {
      reporter.report({ code: "TW131", at: originIn(node, text, range), message, hint });
    }
  }
  return template.parts.map((part) => toTemplatePart(part, (path) => undeclaredIn(path, scope)));
}

function keyProblems(expression: LocatedExpression, scope: Scope): ExpressionProblem[] {
  const operands = expression.kind === "coalesce" ? expression.operands : [expression];
  const problems: ExpressionProblem[] = [];
  let isAlwaysThere = false;
  let lastMayBeNull = false;
  for (const [index, operand] of operands.entries()) {
    const before = problems.length;
    const { schema, optional } = typeOf(operand, scope, problems);
    const unused = neverUsed(operand, operands.slice(0, index), scope);
    if (unused !== undefined) problems.push(unused);
    if (problems.length > before) return problems;
    lastMayBeNull = mayBeNull(schema, scope.resolve);
    isAlwaysThere ||= !optional && !lastMayBeNull;
    const problem = scalarProblem(schema, operand.range, scope.resolve);
    if (problem !== undefined) problems.push(problem);
  }
  const last = operands.at(-1);
  if (!isAlwaysThere && last !== undefined && problems.length === 0) {
    const message = `the value may be ${lastMayBeNull ? "null" : "missing"}, and a key must always have a value`;
    problems.push({ message, hint: "add ?? and a value: ${{ ... ?? 'none' }}", range: last.range });
  }
  return problems;
}

function scalarProblem(
  schema: JsonSchemaNode,
  range: TextRange,
  resolve: Resolve,
): ExpressionProblem | undefined {
  if (leavesOf(schema, resolve).includes(UNKNOWN_SCHEMA)) return undefined;
  const bad = notScalar(schema, resolve);
  if (bad === undefined) return undefined;
  const hint = bad.kind === "any" ? "give the field a type" : "name one of its fields";
  return {
    message: `a key is made of text, numbers and booleans, but this is ${kindName(bad)}`,
    hint,
    range,
  };
}
