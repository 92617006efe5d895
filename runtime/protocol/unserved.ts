/**
 * What a worker writes into the history of a job for which it has no handler. Such an entry starts no
 * attempt, and contains nothing of the payload.
 */
import type { JobRecord, RunEvent } from "./records.js";

export const UNSERVED = "TaskUnknown";

type Place = Pick<JobRecord, "queue" | "task">;

export function unservedMessage({ task, queue }: Place): string {
  return `this worker has no handler for ${task}; deploy one that has, or do not serve the queue ${queue} here`;
}

/** True for an entry without a stack: no handler has thrown it. */
export function isUnserved(event: RunEvent | undefined): boolean {
  return event?.[1] === "failed" && event[3] === UNSERVED && event[5] === "";
}

/** True when the entry has exactly this message: a handler may throw an error with the same name. */
export function isOwnMessage(event: RunEvent | undefined, place: Place): boolean {
  return event?.[1] === "failed" && isUnserved(event) && event[4] === unservedMessage(place);
}
