/**
 * The items of a fan-out. A list in the run's input or in the definition does not change while the run
 * exists, so its items are read from there. Other lists are stored item by item when the fan-out begins.
 */
import type { Expression, WorkflowStep } from "../definition/index.js";
import { runFields } from "../protocol/index.js";
import { evaluate } from "./expression.js";

/** Items stored by one call. */
const PART = 250;

/** Whether the items can be read from the input or the definition. */
export function areGiven({ forEach }: WorkflowStep): boolean {
  return forEach !== undefined && isGiven(forEach);
}

/** Only expressions that are free to evaluate, because that happens for each item. */
function isGiven(expression: Expression): boolean {
  if (expression[0] === "path") return expression[1] === "input";
  if (expression[0] === "??") return isGiven(expression[1]) && isGiven(expression[2]);
  return expression[0] === "value";
}

/**
 * What is stored of a fan-out, in chunks of alternating fields and values: the number of items, and those
 * that are not given.
 */
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

/** `stored`: the known fields of the run. An item that is found in neither place is null. */
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
