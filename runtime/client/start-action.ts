/**
 * An observer's action that starts a workflow run. The run's id is derived from the event's id, as job ids
 * are.
 */
import { createHash } from "node:crypto";
import type { StartDefinition } from "../definition/index.js";
import type { TaskweftClient } from "./client.js";
import type { StartFunction } from "./start-function.js";

/** Generated code states both types, so an action with a wrong input does not compile. */
export function defineStart<Event, Input>(
  workflow: string,
  start: StartFunction<Input, unknown>,
  input: (event: Event) => NoInfer<Input>,
): StartDefinition<Event> {
  return {
    workflow,
    // Inside `async`, so that an error in the mapping rejects too.
    start: async (event, { client, id }) =>
      await start(input(event), { client: client as TaskweftClient, startedBy: id }),
  };
}

/** A hash, because run ids allow fewer characters than event ids and observer names. */
export function actionRunId(event: string, observer: string, number: number): string {
  const from = `${event}.${observer}.${number}`;
  return `event-${createHash("sha256").update(from).digest("hex").slice(0, 40)}`;
}
