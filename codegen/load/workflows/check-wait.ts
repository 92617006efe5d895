/**
 * Checks the `match` of a step that waits for an event: a condition with an equality by which an emit finds
 * the run.
 */
import { type Expression, pathsOf } from "../../model/expression.js";
import { checkCondition } from "../expressions/check-condition.js";
import type { CheckedWait, WorkflowCheck } from "./checked-workflow.js";
import { UNKNOWN_SCHEMA } from "../payload/compiler.js";
import type { GraphStep } from "./step-graph.js";
import type { Place, StepScopes } from "./step-scope.js";
import { findEntry } from "../source.js";

const ROOTS: readonly string[] = ["event", "input", "run", "steps"];

export function checkWait(
  { event, entry }: GraphStep,
  place: Place,
  scopes: StepScopes,
  { events, reporter }: WorkflowCheck,
): CheckedWait | undefined {
  if (event === undefined) return undefined;
  const match = findEntry(entry.value, "match");
  const inner = { ...place, event: events.get(event)?.payload ?? UNKNOWN_SCHEMA };
  const condition = checkCondition("match", match?.value, scopes.scopeOf(inner), reporter);
  if (match === undefined || condition === undefined) return undefined;
  const all = conjunctsOf(condition);
  const found = all.map(correlationOf).find((one) => one !== undefined);
  if (found !== undefined) return { event, condition, ...found, place: inner };
  const roots = pathsOf(condition).map((path) => path.root);
  // An unknown name may be a misspelling of a suitable one, and has been reported already.
  if (!roots.every((root) => ROOTS.includes(root))) return undefined;
  reporter.report({
    code: "TW212",
    at: match.value.origin,
    message: "match has no equality of a field of the event with something that the run knows from its start",
    hint: roots.includes("steps")
      ? "results of steps come too late, an event may be earlier: compare a field with something of input or with run.id, such as event.runId == run.id"
      : "add one such as event.orderId == input.orderId, or event.runId == run.id",
  });
  return undefined;
}

/** The conditions that must all hold for the whole condition to hold. */
function conjunctsOf(condition: Expression): readonly Expression[] {
  return condition.kind === "all" ? condition.operands.flatMap(conjunctsOf) : [condition];
}

function correlationOf(condition: Expression): Pick<CheckedWait, "equals" | "field"> | undefined {
  if (condition.kind !== "compare" || condition.operator !== "==") return undefined;
  const { left, right } = condition;
  return sidesOf(left, right) ?? sidesOf(right, left);
}

function sidesOf(side: Expression, equals: Expression): Pick<CheckedWait, "equals" | "field"> | undefined {
  if (side.kind !== "path" || side.root !== "event" || side.segments.length === 0) return undefined;
  const field = side.segments.filter((segment) => typeof segment === "string");
  const known = pathsOf(equals);
  const isKnown = known.length > 0 && known.every(({ root }) => root === "input" || root === "run");
  return isKnown && field.length === side.segments.length ? { field, equals } : undefined;
}
