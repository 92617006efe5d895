/** How an emit finds the runs that an event concerns: by the value of one of its fields, which a run knows from its start. */
import { createHash } from "node:crypto";
import type { WorkflowDefinition } from "../definition/index.js";
import { evaluate } from "./expression.js";

/** Longer values are found by their hash. */
const MAX_VALUE_LENGTH = 200;

/** What the members of `listeners` begin with that wait for this value. */
export function listenerHead(event: string, field: readonly string[], value: unknown): string {
  // JSON has no line feeds outside of its texts, and writes them as \n inside.
  const text = JSON.stringify(value ?? null);
  const short =
    text.length <= MAX_VALUE_LENGTH ? text : `#${createHash("sha256").update(text).digest("base64url")}`;
  return `${event} ${JSON.stringify(field)}\n${short}\n`;
}

/** All that a run listens to, from its start to its end. */
export function listenersOf(definition: WorkflowDefinition, run: string, input: unknown): readonly string[] {
  const scope = { input, run: { id: run } };
  return definition.steps.flatMap(({ name, waitFor }) =>
    waitFor === undefined
      ? []
      : [
          `${listenerHead(waitFor.event, waitFor.field, evaluate(waitFor.equals, scope))}${definition.queue} ${run} ${name}`,
        ],
  );
}
