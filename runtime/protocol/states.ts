/** The states of a job: one word a state, the same in Lua, TypeScript, CLI, dashboard, metrics and docs. See docs/states.md. */
export const JOB_STATES = [
  /** Waits in its queue for a worker. */
  "pending",
  /** Due later, never tried. */
  "scheduled",
  /** A worker holds it. */
  "active",
  /** Due later, after a failed attempt. */
  "retry",
  /** Ended well. */
  "completed",
  /** Out of retries or failed for good; kept for a person. */
  "dead",
  /** Taken back by a person or a program. */
  "cancelled",
] as const;
export type JobState = (typeof JOB_STATES)[number];

export const FINAL_STATES = ["completed", "dead", "cancelled"] as const;
export type FinalState = (typeof FINAL_STATES)[number];

export function isFinal(state: JobState): state is FinalState {
  return (FINAL_STATES as readonly JobState[]).includes(state);
}
