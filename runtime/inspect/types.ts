import type { ScheduleSettings } from "../definition/index.js";
import type { JobLog, JobState, RecordOptions, SkipReason } from "../protocol/index.js";

/** A job in one line. Times are milliseconds since the epoch, by the clock of Redis. */
export interface JobSummary {
  readonly id: string;
  readonly task: string;
  readonly queue: string;
  readonly state: JobState;
  /** Attempts that ended and count against `maxRetries`. */
  readonly attempts: number;
  /** Attempts that ended with the loss of their worker. */
  readonly crashes: number;
  /** When the producer made it; absent for ids that do not tell. */
  readonly enqueuedAt?: number;
  /** scheduled, retry: when it is due. */
  readonly dueAt?: number;
  /** completed, dead, cancelled: when it ended. */
  readonly endedAt?: number;
  /** completed, dead, cancelled: when it will be removed. */
  readonly removedAt?: number;
  /** active: who holds it. */
  readonly worker?: string;
  /** Message of the last failed attempt. */
  readonly lastError?: string;
  /** dead: not by an error, but because its worker was lost too often. */
  readonly crashed?: true;
  /** The workflow run of which it is a step. */
  readonly run?: string;
  /** What Redis holds of it cannot be read, so that most of this is unknown. Only deleting it is possible. */
  readonly unreadable?: true;
}

/** One thing that happened to a job. */
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
  /** slept: when the handler goes on; waited: at the latest, without an event. */
  readonly wakeAt?: number;
  /** Class name of the error. */
  readonly error?: string;
  readonly message?: string;
  readonly stack?: string;
}

/** A step that a handler has done. Its result is not shown: no schema says what in it is sensitive. */
export interface JobStep {
  readonly name: string;
  /** Of its result as JSON; 0 when it gave nothing. */
  readonly bytes: number;
}

/** An event for which a handler waits. The values by which it is found are not shown. */
export interface JobWait {
  /** Of the wait, as the handler calls it. */
  readonly name: string;
  readonly event: string;
  /** Fields of the event by whose values it is found. */
  readonly fields: readonly string[];
  /** When its time is over (ms). */
  readonly until: number;
}

/** What keeps a pending job waiting: a limit, by its key in the definition, or a pause of its task or queue. */
export type WaitReason = "concurrency" | "fairness" | "paused" | "rateLimit";

/** All that is stored about a job. */
export interface JobDetails extends JobSummary {
  readonly payload: unknown;
  /** completed only; absent when the handler returned nothing. */
  readonly result?: unknown;
  /** True when `payload` and `result` are left out because nobody said which fields are sensitive. */
  readonly hidden: boolean;
  /** First 8 hex digits of the hash of the definition it was enqueued under. */
  readonly hash: string;
  /** What the enqueue set differently from the definition. */
  readonly options: RecordOptions;
  /** What the handler noted last of how far it is: percent, or an object; without sensitive values. Absent when it noted none. */
  readonly progress?: unknown;
  /** Done, and not run again by a later attempt; oldest first. Absent when there are none. */
  readonly steps?: readonly JobStep[];
  /** The events to which it listens, the oldest first. Absent when there are none. */
  readonly listensTo?: readonly JobWait[];
  /** What its handlers have logged; without sensitive values. Absent when they logged nothing. */
  readonly log?: JobLog;
  /** Oldest first. */
  readonly timeline: readonly JobEvent[];
  /** active: when the worker's lease ends. */
  readonly leaseEndsAt?: number;
  /** pending: the limit or the pause of its task or queue that keeps it waiting. Absent when none does. */
  readonly waitsFor?: WaitReason;
}

export interface JobFilter {
  /** Only jobs in this state. Default: all. */
  readonly state?: JobState;
  /** Only jobs of this queue. Default: all. */
  readonly queue?: string;
  /** Only jobs of this task. Default: all. */
  readonly task?: string;
  /** Only jobs that are steps of workflow runs, or only others. Default: all. */
  readonly steps?: boolean;
}

/** For acting on many. */
export interface CollectedIds {
  readonly ids: readonly string[];
  /** Steps of workflow runs that would match but for `steps: false`, as far as was looked for the others, at most as many as these may be. */
  readonly steps: number;
}

export interface JobListOptions extends JobFilter {
  /** Most jobs of a page, 1 to 1000. Default 50. */
  readonly limit?: number;
  /** `next` of the page before. Default: from the start. */
  readonly cursor?: string;
}

export interface JobPage {
  readonly jobs: readonly JobSummary[];
  /** Absent on the last page. Jobs that move while pages are read may be seen twice or not at all. */
  readonly next?: string;
}

/** A queue with its counts. */
export interface QueueSummary {
  readonly name: string;
  /** Share of the workers' picks; absent when no process that is alive has declared the queue. */
  readonly weight?: number;
  /** Since when it is paused (ms since the epoch). */
  readonly pausedAt?: number;
  /** Since when it accepts no new jobs (ms since the epoch). */
  readonly drainingAt?: number;
  /** Length of the waiting list; jobs that were cancelled while waiting count until a worker passes them. */
  readonly pending: number;
  readonly scheduled: number;
  readonly retry: number;
  readonly active: number;
  readonly completed: number;
  readonly dead: number;
  readonly cancelled: number;
  /** Fields above that were counted on a sample, because counting all would read too much. */
  readonly estimated: readonly (keyof QueueSummary)[];
  /** How long the first job of the waiting list has existed, in milliseconds; absent when none waits. */
  readonly oldestPendingMs?: number;
}

/** A task as an operator has it in hand. Times are milliseconds since the epoch. */
export interface TaskSummary {
  readonly name: string;
  /** Since when none of its jobs starts. */
  readonly pausedAt?: number;
  /** Since when it accepts no new jobs. */
  readonly drainingAt?: number;
  /** Jobs that its pause has put aside. After a resume they go in their order; those that no worker has met yet are not counted. */
  readonly parked: number;
}

/** A schedule as the newest deploy declared it. Times are milliseconds since the epoch. */
export interface ScheduleSummary extends ScheduleSettings {
  /** Of its jobs; absent where it starts runs. */
  readonly task?: string;
  /** Of its runs. */
  readonly workflow?: string;
  /** Of its jobs; of a workflow that of the run's own. */
  readonly queue: string;
  /** The next three ticks, also while it is paused. */
  readonly next: readonly number[];
  /** Since when it is paused. */
  readonly pausedAt?: number;
  /** The last tick that ran; absent before the first. */
  readonly lastTickAt?: number;
  /** Id of its job or run. */
  readonly lastJob?: string;
  /** The tick that is to run when the run that it replaces has ended. */
  readonly waitingTickAt?: number;
  /** The last tick that did not run. */
  readonly skippedAt?: number;
  readonly skippedBecause?: SkipReason;
}

export interface WorkerSummary {
  readonly name: string;
  /** When its lease ends; in the past for a worker that is gone and whose jobs are about to be taken back. */
  readonly leaseEndsAt: number;
  readonly alive: boolean;
  readonly active: number;
  /** What the worker wrote about itself: host, process id, queues, version. */
  readonly about: Readonly<Record<string, unknown>>;
}

export type RedactedKind = "event" | "input" | "output" | "payload" | "result";

/** Takes sensitive fields out of what is shown. */
export interface Redactor {
  /**
   * The same value with sensitive parts replaced; `undefined` when it is not known which parts are. `name` is that of a task,
   * for `input` and `output` that of a workflow, and for `event` that of an event.
   */
  redact(
    name: string,
    kind: RedactedKind,
    value: unknown,
  ): { readonly value: unknown; readonly secrets: readonly string[] } | undefined;
}

/** An event that is kept for its retention. */
export interface EventSummary {
  readonly event: string;
  readonly id: string;
  /** First, by the clock of Redis (ms). */
  readonly emittedAt: number;
  /** When its retention ends (ms). */
  readonly removedAt: number;
  /** Of its payload as JSON. */
  readonly bytes: number;
}

export interface EventDetails extends EventSummary {
  /** Actions that a replay passes over, `<observer>.<number>`: they are stored, or were left out when it was replayed as a new event. */
  readonly settled: readonly string[];
  readonly payload: unknown;
  /** True when it is not known which fields are sensitive: none is shown. */
  readonly hidden: boolean;
}

export interface EventListOptions {
  /** Only events of this name. */
  readonly event?: string;
  /** 1 to 1,000. Default 50. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly cursor?: string;
}

export interface EventPage {
  readonly events: readonly EventSummary[];
  /** Absent on the last page. */
  readonly next?: string;
}
