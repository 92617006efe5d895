// Events for which handlers wait, without generated files.
import { createEmitFunction, defineEvent } from "taskweft/generated-v1";
import { parseWaits, waitsField } from "../../runtime/protocol/index.js";
import type { Project } from "./project.js";
import { until } from "./signal.js";
import { ANYTHING } from "./task.js";

/** Emits an event without observers, for which handlers and steps wait by these fields. */
export function emitterOf(
  { client, queues }: Pick<Project, "client" | "queues">,
  name: string,
  fields: Pick<Parameters<typeof defineEvent>[0], "handlerFields" | "waitFields">,
) {
  const event = { name, payload: () => ANYTHING, observers: [], ...fields };
  const emit = createEmitFunction(defineEvent<object>(event), queues);
  return (payload: object, id?: string) => emit(payload, { client, ...(id === undefined ? {} : { id }) });
}

/** Emits `order:approved`, for which handlers wait by `orderId`, and runs by what `waitFields` says. */
export function approver(
  project: Pick<Project, "client" | "queues">,
  more: {
    readonly waitFields?: readonly (readonly string[])[];
    readonly handlerFields?: readonly (readonly string[])[];
    readonly queues?: Project["queues"];
  } = {},
) {
  const { queues = project.queues, ...fields } = more;
  const from = { client: project.client, queues };
  return emitterOf(from, "order:approved", { handlerFields: [["orderId"]], ...fields });
}

/** The handler has ended its attempt, and its job waits. */
export async function rests(project: Project, id: string, queue = "default"): Promise<void> {
  const { keys, raw } = project.shardOf(id);
  await until("the job to rest", async () => (await raw.zscore(keys.queue(queue).due, id)) !== null);
}

/** Names of the waits of a job that listen. */
export async function listening(project: Project, id: string): Promise<readonly string[]> {
  const { keys, raw } = project.shardOf(id);
  return parseWaits(await raw.hget(keys.notes, waitsField(id))).listening.map(({ name }) => name);
}
