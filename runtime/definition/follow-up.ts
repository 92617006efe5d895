/**
 * What the job of an `onExhausted` task can learn about the job that died. Its payload gets those fields that
 * the task declares, by name.
 */
export interface Exhausted {
  /** Number of attempts made, including the last. */
  readonly attempts: number;
  /** Name of the last error: its class, e.g. `CardExpired`. */
  readonly error: string;
  readonly jobId: string;
  readonly message: string;
  /** Payload of the job that died. */
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

/** The job to enqueue when a job of a task goes dead. */
export interface FollowUpRule {
  readonly task: string;
  /** The fields that the task's payload declares. */
  readonly fields: readonly ExhaustedField[];
}
