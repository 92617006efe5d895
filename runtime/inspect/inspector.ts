/** The operations of inspect/, assembled for one shard. */
import type { CancelOutcome } from "../cancel.js";
import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import {
  readShardGauges,
  readUnservedQueues,
  type ShardGauges,
  type UnservedQueue,
} from "../gauges/index.js";
import type { JobState, ShardKeys, ShardRouter } from "../protocol/index.js";
import { audit, type AuditOptions } from "./audit/audit.js";
import type { AuditReport } from "./audit/finding.js";
import {
  cancelOneJob,
  pauseQueue,
  pauseTask,
  removeJob,
  resumeQueue,
  resumeTask,
  retryJob,
  setDraining,
} from "./commands.js";
import { isQueueEmpty, isTaskEmpty } from "./drained.js";
import { showJob } from "./job-details.js";
import { listEvents, showEvent } from "./event-list.js";
import { listJobs } from "./job-list.js";
import { collectIds, MAX_COLLECTED } from "./job-walk.js";
import { purgeQueue, type PurgeOptions, type PurgeReport } from "./purge.js";
import { listQueues, queueNames } from "./queue-list.js";
import { listSchedules, showSchedule, suspendSchedule } from "./schedule-list.js";
import { cancelOneRun, retryOneRun, skipStep } from "./run-commands.js";
import { showRun } from "./run-details.js";
import { listRuns } from "./run-list.js";
import type { RunDetails, RunListOptions, RunPage, RunState } from "./run-types.js";
import { readProtocol, ShardReader } from "./shard-reader.js";
import type {
  EventDetails,
  EventListOptions,
  EventPage,
  JobDetails,
  CollectedIds,
  JobFilter,
  JobListOptions,
  JobPage,
  QueueSummary,
  Redactor,
  ScheduleSummary,
  TaskSummary,
  WorkerSummary,
} from "./types.js";
import { listTasks, showTask } from "./task-list.js";
import { listWorkers } from "./worker-list.js";

export interface InspectorOptions {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  /** Set in a system with several shards: finds misplaced jobs. */
  readonly router?: ShardRouter;
  /**
   * Names of the queues in the definitions, in addition to those that workers have declared in Redis.
   * Default: none.
   */
  readonly queues?: readonly string[];
  /** Names of the tasks in the definitions. Default: none, which accepts any name as a task. */
  readonly tasks?: readonly string[];
  /** Removes sensitive fields from payloads, results and errors. Default: shows everything. */
  readonly redactor?: Redactor;
  /** How long a cancelled job of a task stays readable (ms). Default: the default retention. */
  readonly keepCancelledMs?: (task: string) => number | undefined;
}

export interface Inspector {
  /** Ids of the matching jobs, at most `limit` (default 10,000): for acting on many. */
  collectIds(filter: JobFilter, limit?: number): Promise<CollectedIds>;
  /**
   * Retained events in pages, starting with the one retained longest.
   * @throws TaskweftError `OptionInvalid`.
   */
  listEvents(options?: EventListOptions): Promise<EventPage>;
  /** @throws TaskweftError `OptionInvalid` or `QueueUnknown`. */
  listJobs(options?: JobListOptions): Promise<JobPage>;
  listQueues(): Promise<readonly QueueSummary[]>;
  /**
   * Workflow runs: unfinished, the newest first; then ended, those first whose retention ends last.
   * @throws TaskweftError `OptionInvalid`.
   */
  listRuns(options?: RunListOptions): Promise<RunPage>;
  listSchedules(): Promise<readonly ScheduleSummary[]>;
  /** The tasks of the definitions, and all that are paused or draining. */
  listTasks(): Promise<readonly TaskSummary[]>;
  /** Queues with waiting jobs that no living worker serves. */
  listUnservedQueues(): Promise<readonly UnservedQueue[]>;
  listWorkers(): Promise<readonly WorkerSummary[]>;
  /** The gauges for metrics, per shard. Reads a fixed number of keys, however long the backlog. */
  readGauges(): Promise<readonly ShardGauges[]>;
  /**
   * The protocol that the shard is written in (this version's if the shard is empty), and the one that this
   * version knows.
   */
  readProtocol(): Promise<{ readonly stored: number; readonly known: number }>;
  /** @throws TaskweftError `EventUnknown`. */
  showEvent(event: string, id: string): Promise<EventDetails>;
  /** @throws TaskweftError `JobNotFound`. */
  showJob(id: string): Promise<JobDetails>;
  /** @throws TaskweftError `QueueUnknown`. */
  showQueue(name: string): Promise<QueueSummary>;
  /**
   * A workflow run with its steps.
   * @throws TaskweftError `RunNotFound`.
   */
  showRun(id: string): Promise<RunDetails>;
  /** @throws TaskweftError `ScheduleUnknown`. */
  showSchedule(name: string): Promise<ScheduleSummary>;
  /** @throws TaskweftError `TaskUnknown`. */
  showTask(name: string): Promise<TaskSummary>;

  /**
   * Whether no job of the queue waits, is due later, or runs. Cheap while there are such jobs.
   * @throws TaskweftError `QueueUnknown`.
   */
  isQueueEmpty(name: string): Promise<boolean>;
  /**
   * Like `isQueueEmpty`, for a task in any queue. Reads lists in pages until it meets a job of the task.
   * @throws TaskweftError `TaskUnknown`.
   */
  isTaskEmpty(name: string): Promise<boolean>;

  /**
   * Checks the rules of docs/states.md while the system runs.
   * @throws TaskweftError `ProtocolUnknown`.
   */
  audit(options?: AuditOptions): Promise<AuditReport>;
  /**
   * Accepts new jobs again.
   * @throws TaskweftError `QueueUnknown`.
   */
  acceptQueue(name: string): Promise<void>;
  /**
   * Accepts new jobs again.
   * @throws TaskweftError `TaskUnknown`.
   */
  acceptTask(name: string): Promise<void>;
  /**
   * Cancels a job; with `expected`, only from this state.
   * @throws TaskweftError `JobNotFound`, or `StateConflict` if the job has ended or is in another state.
   */
  cancel(id: string, expected?: JobState): Promise<CancelOutcome>;
  /**
   * Cancels a run: it begins nothing more, running steps are stopped, and completed ones are compensated.
   * Resolves to its state: `cancelling`, or `failing` or `compensating` if it was in that state already.
   * @throws TaskweftError `RunNotFound`, or `StateConflict` if the run has ended.
   */
  cancelRun(id: string): Promise<RunState>;
  /**
   * Refuses new jobs with `Draining`; jobs already there still run.
   * @throws TaskweftError `QueueUnknown`.
   */
  drainQueue(name: string): Promise<void>;
  /**
   * Like `drainQueue`, for a task in any queue.
   * @throws TaskweftError `TaskUnknown`.
   */
  drainTask(name: string): Promise<void>;
  /** @throws TaskweftError `QueueUnknown`. */
  pauseQueue(name: string): Promise<void>;
  /** @throws TaskweftError `ScheduleUnknown`. */
  pauseSchedule(name: string): Promise<void>;
  /**
   * No job of the task starts until it is resumed; new jobs are accepted.
   * @throws TaskweftError `TaskUnknown`.
   */
  pauseTask(name: string): Promise<void>;
  /**
   * Removes all jobs of one state from a queue, a million within seconds, without holding up workers or
   * producers: all that are there now, and perhaps some that come meanwhile. Steps of workflow runs stay,
   * unless they have ended.
   * @throws TaskweftError `QueueUnknown` or `OptionInvalid`.
   */
  purgeQueue(name: string, options?: PurgeOptions): Promise<PurgeReport>;
  /**
   * Deletes a job with all its data; with `expected`, only from this state.
   * @throws TaskweftError `JobNotFound`, or `StateConflict` while a worker holds the job, or in another state.
   */
  remove(id: string, expected?: JobState): Promise<void>;
  /** @throws TaskweftError `QueueUnknown`. */
  resumeQueue(name: string): Promise<void>;
  /**
   * Resumes the schedule from now on.
   * @throws TaskweftError `ScheduleUnknown`.
   */
  resumeSchedule(name: string): Promise<void>;
  /**
   * Starts the task's jobs again, in their order.
   * @throws TaskweftError `TaskUnknown`.
   */
  resumeTask(name: string): Promise<void>;
  /**
   * Makes a dead, cancelled, scheduled or retrying job pending; with `expected`, only from this state.
   * @throws TaskweftError `JobNotFound` or `StateConflict`.
   */
  retry(id: string, expected?: JobState): Promise<void>;
  /**
   * Resumes a failed or cancelled run: steps that completed and were not compensated are not run again.
   * @throws TaskweftError `RunNotFound` or `StateConflict`.
   */
  retryRun(id: string): Promise<void>;
  /**
   * Like `retryRun`, with a result for a failed step, or for an item of a fan-out (`pack.3`). The result is
   * not checked against the schema of its task.
   * @throws TaskweftError `RunNotFound`, `OptionInvalid` or `StateConflict`.
   */
  skipStep(id: string, step: string, result?: unknown): Promise<void>;
}

export function createInspector(options: InspectorOptions): Inspector {
  const reader = new ShardReader(options.connection, options.keys, options.router);
  const names = () => queueNames(reader, options.queues ?? []);
  const known = (name: string, operation: string) => assertKnown(name, names, operation);
  const listable = async (filter: JobFilter) => {
    if (filter.queue !== undefined) await known(filter.queue, "listJobs");
    return names();
  };
  const task = (name: string, operation: string) => showTask(reader, options.tasks ?? [], name, operation);
  return {
    collectIds: async (filter, limit = MAX_COLLECTED) =>
      collectIds(reader, await listable(filter), filter, limit),
    listEvents: (list = {}) => listEvents(reader, list),
    listJobs: async (list = {}) => listJobs(reader, await listable(list), list, options.redactor),
    listQueues: async () => listQueues(reader, await names()),
    listRuns: (list = {}) => listRuns(reader, list, options.redactor),
    listSchedules: () => listSchedules(reader),
    listTasks: () => listTasks(reader, options.tasks ?? []),
    listUnservedQueues: () =>
      readUnservedQueues(options.connection, options.keys, { known: options.queues ?? [] }),
    listWorkers: () => listWorkers(reader),
    readGauges: async () => [await readShardGauges(options.connection, options.keys, options.queues ?? [])],
    readProtocol: () => readProtocol(reader),
    showEvent: (event, id) => showEvent(reader, event, id, options.redactor),
    showJob: (id) => showJob(reader, id, options.redactor),
    showQueue: async (name) => {
      await known(name, "showQueue");
      const [queue] = await listQueues(reader, [name]);
      return queue!;
    },
    showRun: (id) => showRun(reader, id, options.redactor),
    showSchedule: (name) => showSchedule(reader, name),
    showTask: (name) => task(name, "showTask"),
    isQueueEmpty: async (name) => {
      await known(name, "isQueueEmpty");
      return await isQueueEmpty(reader, name);
    },
    isTaskEmpty: async (name) => {
      await task(name, "isTaskEmpty");
      return await isTaskEmpty(reader, await names(), name);
    },
    ...holding(reader, { names, known, task }),
    audit: (auditOptions) => audit(reader, auditOptions),
    cancel: (id, expected) =>
      cancelOneJob(reader, id, options.keepCancelledMs ?? (() => undefined), expected),
    cancelRun: (id) => cancelOneRun(reader, id),
    pauseSchedule: (name) => suspendSchedule(reader, name, "pause"),
    purgeQueue: async (name, purge) => {
      await known(name, "purgeQueue");
      return await purgeQueue(reader, name, purge);
    },
    remove: (id, expected) => removeJob(reader, id, names, expected),
    resumeSchedule: (name) => suspendSchedule(reader, name, "resume"),
    retry: (id, expected) => retryJob(reader, id, expected),
    retryRun: (id) => retryOneRun(reader, id),
    skipStep: (id, step, result = null) => skipStep(reader, id, step, result),
  };
}

interface Names {
  readonly names: () => Promise<readonly string[]>;
  readonly known: (queue: string, operation: string) => Promise<void>;
  readonly task: (name: string, operation: string) => Promise<TaskSummary>;
}

export type Holding = Pick<
  Inspector,
  | "acceptQueue"
  | "acceptTask"
  | "drainQueue"
  | "drainTask"
  | "pauseQueue"
  | "pauseTask"
  | "resumeQueue"
  | "resumeTask"
>;

/**
 * The operations that pause or drain. An unknown name is an error, so that a misspelt name does not pause
 * nothing.
 */
function holding(reader: ShardReader, { names, known, task }: Names): Holding {
  return {
    acceptQueue: async (name) => {
      await known(name, "acceptQueue");
      await setDraining(reader, "queue", name, "accept");
    },
    acceptTask: async (name) => {
      await task(name, "acceptTask");
      await setDraining(reader, "task", name, "accept");
    },
    drainQueue: async (name) => {
      await known(name, "drainQueue");
      await setDraining(reader, "queue", name, "drain");
    },
    drainTask: async (name) => {
      await task(name, "drainTask");
      await setDraining(reader, "task", name, "drain");
    },
    pauseQueue: async (name) => {
      await known(name, "pauseQueue");
      await pauseQueue(reader, name);
    },
    pauseTask: async (name) => {
      await task(name, "pauseTask");
      await pauseTask(reader, name);
    },
    resumeQueue: async (name) => {
      await known(name, "resumeQueue");
      await resumeQueue(reader, name);
    },
    resumeTask: async (name) => {
      await task(name, "resumeTask");
      await resumeTask(reader, name, await names());
    },
  };
}

async function assertKnown(
  name: string,
  names: () => Promise<readonly string[]>,
  operation: string,
): Promise<void> {
  const all = await names();
  if (all.includes(name)) return;
  const list = all.length === 0 ? "none yet" : all.join(", ");
  throw new TaskweftError("QueueUnknown", `no queue named ${name}. Queues: ${list}`, { operation });
}
