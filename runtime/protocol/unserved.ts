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

/** The same where a thread or process of the worker has another definition of the task than the worker. */
export function outdatedMessage({ task }: Place): string {
  return `the files of this worker were replaced, and give another definition of ${task} than it has; restart the worker`;
}

/** True for an entry without a stack: no handler has thrown it. */
export function isUnserved(event: RunEvent | undefined): boolean {
  return event?.[1] === "failed" && event[3] === UNSERVED && event[5] === "";
}

/** True when the entry has exactly such a message: a handler may throw an error with the same name. */
export function isOwnMessage(event: RunEvent | undefined, place: Place): boolean {
  const messages = [unservedMessage(place), outdatedMessage(place)];
  return event?.[1] === "failed" && isUnserved(event) && messages.includes(event[4]);
}
