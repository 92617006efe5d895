/**
 * What an operator may do to jobs and queues. Scripts change the state; this file interprets their replies.
 */
import { assertNoStep, cancelJob, type CancelOutcome, jobMoved, jobUnreadable } from "../cancel.js";
import { TaskweftError } from "../errors.js";
import { type FinalState, isFinal, type JobState, randomName } from "../protocol/index.js";
import { drain, pause, remove, retry } from "../scripts/index.js";
import { readStoredJob } from "./job-details.js";
import type { ShardReader } from "./shard-reader.js";

/** Puts a dead, cancelled, scheduled or retrying job at the end of its queue, to run now. */
export async function retryJob(reader: ShardReader, id: string, expected?: JobState): Promise<void> {
  const { record, unreadable } = await readStoredJob(reader, id, "retry");
  if (unreadable === true) throw jobUnreadable(id, "retry");
  assertNoStep(record, id, "retry");
  const reply = await retry(reader.connection, {
    keys: reader.keys,
    id,
    queue: record.queue,
    expected,
    call: randomName(),
  });
  if (reply === "RETRIED") return;
  if (reply === "NOTFOUND") throw gone(id, "retry");
  if ("moved" in reply) throw jobMoved(id, reply.moved, expected, "retry");
  if ("keyOwner" in reply) {
    throw conflict(
      "retry",
      `job ${id} cannot be retried: its key belongs to job ${reply.keyOwner} by now. Look at that job instead.`,
    );
  }
  throw conflict(
    "retry",
    `job ${id} is ${reply.state}: only dead, cancelled, scheduled and retry jobs can be retried`,
  );
}

/** `keepMs`: how long a cancelled job of a task stays readable. */
export async function cancelOneJob(
  reader: ShardReader,
  id: string,
  keepMs: (task: string) => number | undefined,
  expected?: JobState,
): Promise<CancelOutcome> {
  return await cancelJob(reader.connection, reader.keys, id, keepMs, expected);
}

/**
 * Deletes a job that no worker holds, with all its data. `queues`: all queues of the shard, for a job whose
 * own queue is unknown.
 */
export async function removeJob(
  reader: ShardReader,
  id: string,
  queues: () => Promise<readonly string[]>,
  expected?: JobState,
): Promise<void> {
  const { record, run } = await readStoredJob(reader, id, "remove");
  const isStep = record.options.run !== undefined;
  if (!isFinal(run.state as FinalState)) assertNoStep(record, id, "remove");
  const queue = record.queue === "" ? await queueWhereDue(reader, id, await queues()) : record.queue;
  // A retry of its run may bring a step back to life meanwhile, and the run would wait for ever for it.
  const state = expected ?? (isStep ? (run.state as FinalState) : undefined);
  const reply = await remove(reader.connection, { keys: reader.keys, id, queue, expected: state });
  // It was there just now. A call that is sent again after its reply was lost finds nothing more to delete.
  if (reply === "REMOVED" || reply === "NOTFOUND") return;
  if (reply !== "ACTIVE") throw jobMoved(id, reply.moved, state, "remove");
  throw conflict("remove", `job ${id} is active: cancel it first, and delete it when its worker has let go`);
}

/**
 * The queue whose due set contains the id. Any queue if there is none, because it then makes no difference.
 */
async function queueWhereDue(reader: ShardReader, id: string, queues: readonly string[]): Promise<string> {
  const scores = await Promise.all(
    queues.map((queue) => reader.read((redis) => redis.zscore(reader.keys.queue(queue).due, id))),
  );
  return (
    queues[
      Math.max(
        0,
        scores.findIndex((score) => score !== null),
      )
    ] ?? ""
  );
}

/**
 * Workers stop taking jobs from the queue; running jobs finish. Pausing again keeps the time of the first
 * pause.
 */
export async function pauseQueue(reader: ShardReader, queue: string): Promise<void> {
  const { connection, keys } = reader;
  await pause(connection, { keys, kind: "queue", name: queue, action: "pause", queues: [] });
}

export async function resumeQueue(reader: ShardReader, queue: string): Promise<void> {
  const { connection, keys } = reader;
  await pause(connection, { keys, kind: "queue", name: queue, action: "resume", queues: [queue] });
}

/**
 * No job of the task starts from now on; running jobs finish. Pausing again keeps the time of the first
 * pause.
 */
export async function pauseTask(reader: ShardReader, task: string): Promise<void> {
  await pause(reader.connection, {
    keys: reader.keys,
    kind: "task",
    name: task,
    action: "pause",
    queues: [],
  });
}

/** `queues`: all queues of the shard, because any of them may contain jobs of the task. */
export async function resumeTask(
  reader: ShardReader,
  task: string,
  queues: readonly string[],
): Promise<void> {
  await pause(reader.connection, { keys: reader.keys, kind: "task", name: task, action: "resume", queues });
}

/** Makes producers refuse new jobs with `Draining`, or accept them again. */
export async function setDraining(
  reader: ShardReader,
  kind: "queue" | "task",
  name: string,
  action: "drain" | "accept",
): Promise<void> {
  await drain(reader.connection, { keys: reader.keys, kind, name, action });
}

function conflict(operation: string, message: string): TaskweftError {
  return new TaskweftError("StateConflict", message, { operation });
}

function gone(id: string, operation: string): TaskweftError {
  return new TaskweftError("JobNotFound", `job ${id} was removed meanwhile`, { operation });
}
