/**
 * The items of a fan-out. Where the list stands in the input of the run, or in the definition, it stays as it is for as long as the run does:
 * its items are read there. Others are stored, each by itself, when the fan-out begins.
 */
import type { Expression, WorkflowStep } from "../definition/index.js";
import { runFields } from "../protocol/index.js";
import { evaluate } from "./expression.js";

/** Items stored by one call. */
const PART = 250;

/** Whether they are read where the list stands. */
export function areGiven({ forEach }: WorkflowStep): boolean {
  return forEach !== undefined && isGiven(forEach);
}

/** Only what costs nothing to evaluate: that is done for each item. */
function isGiven(expression: Expression): boolean {
  if (expression[0] === "path") return expression[1] === "input";
  if (expression[0] === "??") return isGiven(expression[1]) && isGiven(expression[2]);
  return expression[0] === "value";
}

/** What is stored of them, a part of it at a time, as fields and values in turn: how many there are, and those that are not given. */
export function* storedItems(
  run: string,
  step: WorkflowStep,
  items: readonly unknown[],
): Generator<string[]> {
  const fields = [runFields.items(run, step.name), String(items.length)];
  for (const [index, item] of areGiven(step) ? [] : items.entries()) {
    fields.push(runFields.item(run, step.name, index), JSON.stringify(item ?? null));
    if (fields.length >= 2 * PART) yield fields.splice(0);
  }
  if (fields.length > 0) yield fields;
}

/** `stored`: what is known of the fields of its run. An item that is in neither place is null. */
export function itemOf(
  run: string,
  step: WorkflowStep,
  index: number,
  input: unknown,
  stored: ReadonlyMap<string, string>,
): unknown {
  if (step.forEach !== undefined && areGiven(step)) {
    const items = evaluate(step.forEach, { input });
    return Array.isArray(items) ? ((items as readonly unknown[])[index] ?? null) : null;
  }
  return JSON.parse(stored.get(runFields.item(run, step.name, index)) ?? "null") as unknown;
}
