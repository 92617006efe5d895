/** The operations of inspect/, wired to one shard. */
import type { CancelOutcome } from "../cancel.js";
import type { Connection } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import {
  readShardGauges,
  readUnservedQueues,
  type ShardGauges,
  type UnservedQueue,
} from "../gauges/index.js";
import type { ShardKeys, ShardRouter } from "../protocol/index.js";
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
import { collectIds } from "./job-walk.js";
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
  /** Of a system of several shards: says which jobs have strayed. */
  readonly router?: ShardRouter;
  /** Names of the queues in the definitions; those that workers have declared in Redis are known anyway. Default none. */
  readonly queues?: readonly string[];
  /** Names of the tasks in the definitions. Default none: any name is taken for that of a task. */
  readonly tasks?: readonly string[];
  /** Takes sensitive fields out of payloads, results and errors. Default: all is shown. */
  readonly redactor?: Redactor;
  /** How long a cancelled job of a task stays readable, in milliseconds. Default: the default retention. */
  readonly keepCancelledMs?: (task: string) => number | undefined;
}

export interface Inspector {
  /** Ids of the jobs that match, at most `limit` (default 10,000): for acting on many. */
  collectIds(filter: JobFilter, limit?: number): Promise<CollectedIds>;
  /** Events that are kept, in pages; the one that is kept longest first. @throws TaskweftError `OptionInvalid`. */
  listEvents(options?: EventListOptions): Promise<EventPage>;
  /** @throws TaskweftError `OptionInvalid` or `QueueUnknown`. */
  listJobs(options?: JobListOptions): Promise<JobPage>;
  listQueues(): Promise<readonly QueueSummary[]>;
  /** Workflow runs: those that have not ended, then those that have, each the newest first. @throws TaskweftError `OptionInvalid`. */
  listRuns(options?: RunListOptions): Promise<RunPage>;
  listSchedules(): Promise<readonly ScheduleSummary[]>;
  /** Those of the definitions, and all that are paused or drained. */
  listTasks(): Promise<readonly TaskSummary[]>;
  /** Queues with jobs that wait for a worker, of which none that is alive serves the queue. */
  listUnservedQueues(): Promise<readonly UnservedQueue[]>;
  listWorkers(): Promise<readonly WorkerSummary[]>;
  /** Numbers for metrics, of each shard. Reads the same few keys whatever waits. */
  readGauges(): Promise<readonly ShardGauges[]>;
  /** The protocol that the shard is written in (ours, where nothing is yet), and that this version knows. */
  readProtocol(): Promise<{ readonly stored: number; readonly known: number }>;
  /** @throws TaskweftError `EventUnknown`. */
  showEvent(event: string, id: string): Promise<EventDetails>;
  /** @throws TaskweftError `JobNotFound`. */
  showJob(id: string): Promise<JobDetails>;
  /** @throws TaskweftError `QueueUnknown`. */
  showQueue(name: string): Promise<QueueSummary>;
  /** A workflow run with its steps. @throws TaskweftError `JobNotFound`. */
  showRun(id: string): Promise<RunDetails>;
  /** @throws TaskweftError `ScheduleUnknown`. */
  showSchedule(name: string): Promise<ScheduleSummary>;
  /** @throws TaskweftError `TaskUnknown`. */
  showTask(name: string): Promise<TaskSummary>;

  /** True when none of its jobs waits, is due later, or runs. Cheap while some do. @throws TaskweftError `QueueUnknown`. */
  isQueueEmpty(name: string): Promise<boolean>;
  /** The same for a task in any queue; reads lists, a page at a time, until it meets a job of it. @throws TaskweftError `TaskUnknown`. */
  isTaskEmpty(name: string): Promise<boolean>;

  /** Looks for what must not be, beside a working system. @throws TaskweftError `ProtocolUnknown`. */
  audit(options?: AuditOptions): Promise<AuditReport>;
  /** New jobs are accepted again. @throws TaskweftError `QueueUnknown`. */
  acceptQueue(name: string): Promise<void>;
  /** New jobs are accepted again. @throws TaskweftError `TaskUnknown`. */
  acceptTask(name: string): Promise<void>;
  /** @throws TaskweftError `JobNotFound`, or `StateConflict` when it has ended. */
  cancel(id: string): Promise<CancelOutcome>;
  /**
   * The run begins nothing more, what runs is stopped, and what has completed is undone. Gives its state from now on: `cancelling`, or
   * `failing` or `compensating` where it was that already. @throws TaskweftError `JobNotFound`, or `StateConflict` when it has ended.
   */
  cancelRun(id: string): Promise<RunState>;
  /** New jobs are refused with `Draining`, what is there is worked off. @throws TaskweftError `QueueUnknown`. */
  drainQueue(name: string): Promise<void>;
  /** The same for a task in any queue. @throws TaskweftError `TaskUnknown`. */
  drainTask(name: string): Promise<void>;
  /** @throws TaskweftError `QueueUnknown`. */
  pauseQueue(name: string): Promise<void>;
  /** @throws TaskweftError `ScheduleUnknown`. */
  pauseSchedule(name: string): Promise<void>;
  /** None of its jobs starts until it is resumed; new ones are accepted. @throws TaskweftError `TaskUnknown`. */
  pauseTask(name: string): Promise<void>;
  /**
   * Removes all jobs of one state from a queue, a million in some seconds, without holding up workers or producers: those that are there
   * now, and perhaps some that come meanwhile. Steps of workflow runs stay, unless they have ended.
   * @throws TaskweftError `QueueUnknown` or `OptionInvalid`.
   */
  purgeQueue(name: string, options?: PurgeOptions): Promise<PurgeReport>;
  /** @throws TaskweftError `JobNotFound`, or `StateConflict` while a worker holds it. */
  remove(id: string): Promise<void>;
  /** @throws TaskweftError `QueueUnknown`. */
  resumeQueue(name: string): Promise<void>;
  /** It goes on from now. @throws TaskweftError `ScheduleUnknown`. */
  resumeSchedule(name: string): Promise<void>;
  /** Its jobs go in their order. @throws TaskweftError `TaskUnknown`. */
  resumeTask(name: string): Promise<void>;
  /** Dead, cancelled, scheduled or retry -> pending. @throws TaskweftError `JobNotFound` or `StateConflict`. */
  retry(id: string): Promise<void>;
  /**
   * A run that has failed or was cancelled goes on: what completed and was not undone is not run again.
   * @throws TaskweftError `JobNotFound` or `StateConflict`.
   */
  retryRun(id: string): Promise<void>;
  /**
   * The same, with a step (or an item of a fan-out, `pack.3`) that has this result instead of having failed. The result is not
   * checked against the schema of its task. @throws TaskweftError `JobNotFound`, `OptionInvalid` or `StateConflict`.
   */
  skipStep(id: string, step: string, result?: unknown): Promise<void>;
}

const MAX_COLLECTED = 10_000;

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
    cancel: (id) => cancelOneJob(reader, id, options.keepCancelledMs ?? (() => undefined)),
    cancelRun: (id) => cancelOneRun(reader, id),
    pauseSchedule: (name) => suspendSchedule(reader, name, "pause"),
    purgeQueue: async (name, purge) => {
      await known(name, "purgeQueue");
      return await purgeQueue(reader, name, purge);
    },
    remove: (id) => removeJob(reader, id, names),
    resumeSchedule: (name) => suspendSchedule(reader, name, "resume"),
    retry: (id) => retryJob(reader, id),
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

/** What keeps jobs from starting or from coming in; a name that nobody knows is an error, not a pause of nothing. */
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
