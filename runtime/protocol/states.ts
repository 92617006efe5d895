/**
 * The states of a job: one word for each state, the same in Lua, TypeScript, CLI, metrics and docs. See
 * docs/states.md.
 */
export const JOB_STATES = [
  /** Waits in its queue for a worker. */
  "pending",
  /** Due later, never tried. */
  "scheduled",
  /** Held by a worker. */
  "active",
  /** Due later, after a failed attempt. */
  "retry",
  /** Ended successfully. */
  "completed",
  /** Out of retries or failed permanently; kept for a person (the dead letter queue). */
  "dead",
  /** Withdrawn by a person or a program. */
  "cancelled",
] as const;
export type JobState = (typeof JOB_STATES)[number];

export const FINAL_STATES = ["completed", "dead", "cancelled"] as const;
export type FinalState = (typeof FINAL_STATES)[number];

export function isFinal(state: JobState): state is FinalState {
  return (FINAL_STATES as readonly JobState[]).includes(state);
}
