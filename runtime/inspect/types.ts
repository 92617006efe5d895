import type { ScheduleSettings } from "../definition/index.js";
import type { JobLog, JobState, RecordOptions, SkipReason } from "../protocol/index.js";

/** The summary of a job. Times are milliseconds since the epoch, by the clock of Redis. */
export interface JobSummary {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  readonly state: JobState;
  /** Finished attempts that count towards `maxRetries`. */
  readonly attempts: number;
  /** Attempts that lost their worker. */
  readonly crashes: number;
  /** When the producer made the job; absent if its id does not contain a time. */
  readonly enqueuedAt?: number;
  /** scheduled, retry: when it is due. */
  readonly dueAt?: number;
  /** completed, dead, cancelled: when it ended. */
  readonly endedAt?: number;
  /** completed, dead, cancelled: when it will be removed. */
  readonly removedAt?: number;
  /** active: the worker that holds the job. */
  readonly worker?: string;
  /** Message of the last failed attempt. */
  readonly lastError?: string;
  /** dead: because its worker was lost too often, not because of an error. */
  readonly crashed?: true;
  /** The workflow run that the job is a step of. */
  readonly run?: string;
  /** The stored texts are unreadable, so most fields are unknown. The job can only be deleted. */
  readonly unreadable?: true;
}

/** One event in the history of a job. */
export interface JobEvent {
  readonly at: number;
  readonly kind:
    | "enqueued"
    | "failed"
    | "completed"
    | "crashed"
    | "alone"
    | "slept"
    | "waited"
    | "handed-back"
    | "cancelled"
    | "retried";
  readonly attempt?: number;
  readonly worker?: string;
  readonly durationMs?: number;
  /** slept: when the handler continues. waited: the latest time at which it continues without an event. */
  readonly wakeAt?: number;
  /** Class name of the error. */
  readonly error?: string;
  readonly message?: string;
  readonly stack?: string;
}

/** A completed step of a handler. Its result is not shown, because no schema says what in it is sensitive. */
export interface JobStep {
  readonly name: string;
  /** Size of its result as JSON; 0 if there is none. */
  readonly bytes: number;
}

/** An event that a handler waits for. The values that identify it are not shown. */
export interface JobWait {
  /** Name of the wait in the handler's call. */
  readonly name: string;
  readonly event: string;
  /** Fields of the event whose values identify it. */
  readonly fields: readonly string[];
  /** When the wait times out (ms). */
  readonly until: number;
}

/**
 * What a pending job waits for: a limit, named by its key in the definition, or the end of a pause of its
 * task or queue.
 */
export type WaitReason = "concurrency" | "fairness" | "paused" | "rateLimit";

/** All details of a job. */
export interface JobDetails extends JobSummary {
  readonly payload: unknown;
  /** completed only; absent if the handler returned nothing. */
  readonly result?: unknown;
  /** True if `payload` and `result` are left out because it is unknown which fields are sensitive. */
  readonly hidden: boolean;
  /** First 8 hex digits of the hash of the definition it was enqueued under. */
  readonly hash: string;
  /** Options of the enqueue that override the definition. */
  readonly options: RecordOptions;
  /**
   * The last progress that the handler reported: percent, or an object; without sensitive values. Absent if
   * there was none.
   */
  readonly progress?: unknown;
  /** Completed steps, which later attempts skip; oldest first. Absent if there are none. */
  readonly steps?: readonly JobStep[];
  /** The events that the job waits for, the oldest wait first. Absent if there are none. */
  readonly listensTo?: readonly JobWait[];
  /** Log lines of the handler, without sensitive values. Absent if there are none. */
  readonly log?: JobLog;
  /** Oldest first. */
  readonly timeline: readonly JobEvent[];
  /** active: when the worker's lease ends. */
  readonly leaseEndsAt?: number;
  /** pending: the limit or pause that the job waits for. Absent if there is none. */
  readonly waitsFor?: WaitReason;
}

export interface JobFilter {
  /** Only jobs in this state. Default: all. */
  readonly state?: JobState;
  /** Only jobs of this queue. Default: all. */
  readonly queue?: string;
  /** Only jobs of this task. Default: all. */
  readonly task?: string;
  /** true: only steps of workflow runs; false: only other jobs. Default: all. */
  readonly steps?: boolean;
}

/** Ids for acting on many jobs. */
export interface CollectedIds {
  readonly ids: readonly string[];
  /**
   * Number of workflow steps that match except for `steps: false`, counted as far as the search went, at most
   * the limit.
   */
  readonly steps: number;
}

export interface JobListOptions extends JobFilter {
  /** Jobs per page, 1 to 1000. Default 50. */
  readonly limit?: number;
  /** `next` of the previous page. Default: from the start. */
  readonly cursor?: string;
}

export interface JobPage {
  readonly jobs: readonly JobSummary[];
  /** Absent on the last page. Jobs that move between pages may be listed twice or not at all. */
  readonly next?: string;
}

/** A queue with its counts. */
export interface QueueSummary {
  readonly name: string;
  /** Share of the workers' claims; absent if no living worker has declared the queue. */
  readonly weight?: number;
  /** Since when it is paused (ms since the epoch). */
  readonly pausedAt?: number;
  /** Since when it accepts no new jobs (ms since the epoch). */
  readonly drainingAt?: number;
  /**
   * Length of the waiting list; jobs that were cancelled while waiting count until a worker has passed them.
   */
  readonly pending: number;
  readonly scheduled: number;
  readonly retry: number;
  readonly active: number;
  readonly completed: number;
  readonly dead: number;
  readonly cancelled: number;
  /** Names of the counts that were estimated from a sample, because counting all jobs would read too much. */
  readonly estimated: readonly (keyof QueueSummary)[];
  /** Age of the first job in the waiting list (ms); absent if no job waits. */
  readonly oldestPendingMs?: number;
}

/** A task as an operator controls it. Times are milliseconds since the epoch. */
export interface TaskSummary {
  readonly name: string;
  /** Since when its jobs do not start. */
  readonly pausedAt?: number;
  /** Since when it accepts no new jobs. */
  readonly drainingAt?: number;
  /**
   * Number of jobs put aside by its pause, which start in order after a resume. Jobs that no worker has met
   * yet are not counted.
   */
  readonly parked: number;
}

/** A schedule as the newest deploy declared it. Times are milliseconds since the epoch. */
export interface ScheduleSummary extends ScheduleSettings {
  /** Task of its jobs; absent if it starts runs. */
  readonly task?: string;
  /** Workflow of its runs. */
  readonly workflow?: string;
  /** Queue of its jobs; for a workflow, the queue of the run's own jobs. */
  readonly queue: string;
  /** The next three ticks, computed even while it is paused. */
  readonly next: readonly number[];
  /** Since when it is paused. */
  readonly pausedAt?: number;
  /** The last tick that ran; absent before the first. */
  readonly lastTickAt?: number;
  /** Id of the job or run of that tick. */
  readonly lastJob?: string;
  /** The tick that will run when the run it replaces has ended. */
  readonly waitingTickAt?: number;
  /** The last tick that did not run. */
  readonly skippedAt?: number;
  readonly skippedBecause?: SkipReason;
}

export interface WorkerSummary {
  readonly name: string;
  /** When the lease expires; in the past for a dead worker whose jobs are about to be taken back. */
  readonly leaseEndsAt: number;
  readonly alive: boolean;
  readonly active: number;
  /** The worker's description of itself: host, process id, queues, version. */
  readonly about: Readonly<Record<string, unknown>>;
}

export type RedactedKind = "event" | "input" | "output" | "payload" | "result";

/** Removes sensitive fields from what is shown. */
export interface Redactor {
  /**
   * The value with sensitive parts replaced; `undefined` if it is unknown which parts are sensitive. `name`
   * is the name of a task, for `input` and `output` of a workflow, for `event` of an event.
   */
  redact(
    name: string,
    kind: RedactedKind,
    value: unknown,
  ): { readonly value: unknown; readonly secrets: readonly string[] } | undefined;
}

/** A retained event. */
export interface EventSummary {
  readonly event: string;
  readonly id: string;
  /** Time of the first emit, by the clock of Redis (ms). */
  readonly emittedAt: number;
  /** When its retention ends (ms). */
  readonly removedAt: number;
  /** Size of its payload as JSON. */
  readonly bytes: number;
}

export interface EventDetails extends EventSummary {
  /**
   * Actions that a replay skips, `<observer>.<number>`: they are stored, or were excluded when the event was
   * replayed as a new one.
   */
  readonly settled: readonly string[];
  readonly payload: unknown;
  /** True if it is unknown which fields are sensitive, so none is shown. */
  readonly hidden: boolean;
}

export interface EventListOptions {
  /** Only events of this name. */
  readonly event?: string;
  /** Events per page, 1 to 1000. Default 50. */
  readonly limit?: number;
  /** `next` of the previous page. */
  readonly cursor?: string;
}

export interface EventPage {
  readonly events: readonly EventSummary[];
  /** Absent on the last page. */
  readonly next?: string;
}
