/** An observer's action that starts a run of a workflow. The run's id is made from the event's, as ids of jobs are. */
import { createHash } from "node:crypto";
import type { StartDefinition } from "../definition/index.js";
import type { TaskweftClient } from "./client.js";
import type { StartFunction } from "./start-function.js";

/** Both types are said by generated code: an action whose input is wrong does not compile. */
export function defineStart<Event, Input>(
  workflow: string,
  start: StartFunction<Input, unknown>,
  input: (event: Event) => NoInfer<Input>,
): StartDefinition<Event> {
  return {
    workflow,
    // What goes wrong in the mapping rejects too.
    start: async (event, { client, id }) =>
      await start(input(event), { client: client as TaskweftClient, startedBy: id }),
  };
}

/** A hash, because ids of runs have no character that ids of events and names of observers do not have. */
export function actionRunId(event: string, observer: string, number: number): string {
  const from = `${event}.${observer}.${number}`;
  return `event-${createHash("sha256").update(from).digest("hex").slice(0, 40)}`;
}
