/** How an emit finds the runs and the handlers that an event concerns: by values of its fields, which they know before. */
import { createHash } from "node:crypto";
import type { WorkflowDefinition } from "../definition/index.js";
import { evaluate } from "./expression.js";

/** Longer values are found by their hash. */
const MAX_VALUE_LENGTH = 200;

/** What the members of `listeners` begin with that wait for this value. */
export function listenerHead(event: string, field: readonly string[], value: unknown): string {
  return headOf(event, field, value ?? null);
}

/** The same of handlers, which wait for values of one or several fields at the top of the event. `fields`: in one order everywhere. */
export function waitHead(
  event: string,
  fields: readonly string[],
  values: Readonly<Record<string, unknown>>,
): string {
  const [field, ...more] = fields;
  // By one field: the head of runs that wait so, and one call tells both.
  if (field !== undefined && more.length === 0) return listenerHead(event, [field], values[field]);
  return headOf(
    event,
    fields.map((name) => [name]),
    fields.map((name) => values[name] ?? null),
  );
}

function headOf(event: string, fields: unknown, value: unknown): string {
  // JSON has no line feeds outside of its texts, and writes them as \n inside.
  const text = JSON.stringify(value);
  const short =
    text.length <= MAX_VALUE_LENGTH ? text : `#${createHash("sha256").update(text).digest("base64url")}`;
  return `${event} ${JSON.stringify(fields)}\n${short}\n`;
}

/** All that a run listens to, from its start to its end. */
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
