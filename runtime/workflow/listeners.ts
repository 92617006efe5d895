/**
 * How an emit finds the runs and handlers that an event concerns: by values of its fields that the listeners
 * know in advance.
 */
import { createHash } from "node:crypto";
import type { WorkflowDefinition } from "../definition/index.js";
import { evaluate } from "./expression.js";

/** Longer values are matched by their hash. */
const MAX_VALUE_LENGTH = 200;

/** Prefix of the `listeners` members that wait for this value. */
export function listenerHead(event: string, field: readonly string[], value: unknown): string {
  return headOf(event, field, value ?? null);
}

/**
 * Prefix of the `listeners` members of handlers, which wait for the values of one or several top-level
 * fields. `fields` must be in the same order everywhere.
 */
export function waitHead(
  event: string,
  fields: readonly string[],
  values: Readonly<Record<string, unknown>>,
): string {
  const [field, ...more] = fields;
  // A single field uses the same prefix as runs, so that one call tells both.
  if (field !== undefined && more.length === 0) return listenerHead(event, [field], values[field]);
  return headOf(
    event,
    fields.map((name) => [name]),
    fields.map((name) => values[name] ?? null),
  );
}

function headOf(event: string, fields: unknown, value: unknown): string {
  // JSON contains no raw line feeds, because strings escape them.
  const text = JSON.stringify(value);
  const short =
    text.length <= MAX_VALUE_LENGTH ? text : `#${createHash("sha256").update(text).digest("base64url")}`;
  return `${event} ${JSON.stringify(fields)}\n${short}\n`;
}

/** All members of `listeners` that a run has from its start to its end. */
export function listenersOf(definition: WorkflowDefinition, run: string, input: unknown): readonly string[] {
  const scope = { input, run: { id: run } };
  const listeners: string[] = [];
  for (const { name, waitFor } of definition.steps) {
    if (waitFor === undefined) continue;
    const head = listenerHead(waitFor.event, waitFor.field, evaluate(waitFor.equals, scope));
    listeners.push(`${head}${definition.queue} ${run} ${name}`);
  }
  return listeners;
}
