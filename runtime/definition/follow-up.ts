/**
 * What a job of an `onExhausted` task is told of the job that died. Its payload takes those fields that the task declares,
 * by their names.
 */
export interface Exhausted {
  /** Attempts that were made, the last one included. */
  readonly attempts: number;
  /** Name of the last error: the class, e.g. `CardExpired`. */
  readonly error: string;
  readonly jobId: string;
  readonly message: string;
  /** Of the job that died. */
  readonly payload: object;
  readonly queue: string;
  readonly task: string;
}
export type ExhaustedField = keyof Exhausted;

export const EXHAUSTED_FIELDS = [
  "attempts",
  "error",
  "jobId",
  "message",
  "payload",
  "queue",
  "task",
] as const satisfies readonly ExhaustedField[];

/** The job that follows when a job of a task goes dead. */
export interface FollowUpRule {
  readonly task: string;
  /** Those that the task's payload has. */
  readonly fields: readonly ExhaustedField[];
}
