/**
 * Every error that taskweft throws on purpose: one class with a closed list of codes, the failed operation
 * and the cause. The message always states what was expected, what was found and what to do.
 */

export const ERROR_CODES = [
  /** The payload does not fit the task's schema. Redis was not touched. */
  "PayloadInvalid",
  /** An option of an enqueue, a client or a worker is out of range. */
  "OptionInvalid",
  /** No task of that name in the definitions. */
  "TaskUnknown",
  /** No queue of that name in the definitions. */
  "QueueUnknown",
  /** No schedule of that name: no worker of a deploy that declares it has run. */
  "ScheduleUnknown",
  /**
   * No event of that id is retained: it was never emitted, its retention has ended, or its definition has
   * none.
   */
  "EventUnknown",
  /** The queue holds `maxPending` pending jobs; this job was not stored. */
  "QueueFull",
  /**
   * The queue or the task is draining: it accepts no new jobs until an operator opens it; this job was not
   * stored.
   */
  "Draining",
  /** No job with that id: never enqueued, or its retention has ended. */
  "JobNotFound",
  /** No workflow run with that id: never started, or its retention has ended. */
  "RunNotFound",
  /** The id is taken by a job with another task or payload. */
  "IdConflict",
  /** The state of the job does not allow the operation. */
  "StateConflict",
  /** The job ended dead, so it has no result. */
  "JobDead",
  /** The job was cancelled, so it has no result. */
  "JobCancelled",
  /** The workflow run failed; the message names the step. */
  "RunFailed",
  /** The workflow run was cancelled. */
  "RunCancelled",
  /** The task keeps no completed jobs (`retention.completed: 0`), so a result cannot be awaited. */
  "ResultNotKept",
  /** The wait ended before the awaited event. */
  "TimedOut",
  /** `connect()` was not called and no client was passed. */
  "NotConnected",
  /** The client or worker was closed. */
  "Closed",
  /** Redis could not be reached, or refused the request; it was certainly not executed. */
  "RedisUnavailable",
  /** The connection broke after the request was sent: it may or may not have been executed. */
  "OutcomeUnknown",
  /** The job is stored and may run, but the requested durability was not confirmed in time. */
  "DurabilityNotReached",
  /** Redis is out of memory (`maxmemory` with `noeviction`). */
  "RedisFull",
  /** Redis answered with an unexpected error; the message quotes it. */
  "RedisRefused",
  /** The version or configuration of Redis cannot keep taskweft's guarantees. */
  "RedisUnsuitable",
  /** The data in Redis was written by a newer protocol. */
  "ProtocolUnknown",
  /** The data in Redis is divided into another number of shards. */
  "ShardsDiffer",
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

export interface TaskweftErrorOptions {
  readonly operation?: string;
  readonly cause?: unknown;
  readonly jobId?: string;
}

export class TaskweftError extends Error {
  override readonly name: string = "TaskweftError";
  readonly code: ErrorCode;
  /** The call that failed, e.g. `enqueue` or `cancel`. */
  readonly operation: string | undefined;
  /**
   * The job that the error is about; set for what a handle of a job throws, and for every `OutcomeUnknown` and
   * `DurabilityNotReached` of an enqueue.
   */
  readonly jobId: string | undefined;

  constructor(code: ErrorCode, message: string, options: TaskweftErrorOptions = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.operation = options.operation;
    this.jobId = options.jobId;
  }
}

/** One problem of a payload: `path` as people write it (`items[0].sku`, empty for the payload itself). */
export interface PayloadProblem {
  readonly path: string;
  readonly message: string;
}

/** Limits of the listed problems: nobody reads 200,000 of them, and a log line must be able to hold them. */
const MAX_PROBLEMS = 50;
const LONGEST_PROBLEM = 500;

/**
 * The payload does not fit the task's schema; lists the first 50 problems. Thrown before Redis is touched.
 */
export class PayloadInvalid extends TaskweftError {
  override readonly name = "PayloadInvalid";
  readonly task: string;
  /** The first problems, at most 50. */
  readonly problems: readonly PayloadProblem[];

  /** `task`: name of the task, event or workflow. */
  constructor(task: string, problems: readonly PayloadProblem[], operation = "enqueue") {
    const what = operation === "start" ? "input" : "payload";
    const told = problems
      .slice(0, MAX_PROBLEMS)
      .map(({ path, message }) => ({ path: shortened(path), message: shortened(message) }));
    const lines = told.map((problem) => `  ${problem.path || what}: ${problem.message}`);
    const left = problems.length - told.length;
    if (left > 0) lines.push(`  and ${left} more`);
    super("PayloadInvalid", `the ${what} of ${task} does not fit its schema\n${lines.join("\n")}`, {
      operation,
    });
    this.task = task;
    this.problems = told;
  }
}

function shortened(text: string): string {
  return text.length <= LONGEST_PROBLEM ? text : `${text.slice(0, LONGEST_PROBLEM)}...`;
}

/**
 * Thrown by a handler: the job goes dead at once, whatever retries are left. Use it if another attempt cannot
 * succeed; errors declared in YAML with `retry: never` behave the same.
 */
export class PermanentError extends Error {
  override readonly name: string = "PermanentError";
}

/**
 * Base class of the error classes that codegen emits for `errors:` in YAML. The name selects the rule; it is
 * a string, because a bundler may rename the class.
 */
export class DeclaredError extends Error {
  override readonly name: string = "DeclaredError";
}
