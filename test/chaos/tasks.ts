// What the chaos tests enqueue and their worker processes run.
import { defineTask } from "../support/task.js";

export interface Work {
  readonly n: number;
  /** How long the job takes (ms). */
  readonly ms: number;
}

export const WORK = defineTask<Work, number>("chaos:work", { timeoutMs: 300_000 });
/** Blocks the event loop of its process for as long as it takes. */
export const BLOCK = defineTask<Work, number>("chaos:block", { timeoutMs: 60_000 });
export const POISON = defineTask<{ readonly n: number }>("chaos:poison", {
  retry: { maxRetries: 25, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
/** Nothing is enqueued to `quiet`: a worker that serves only that one has time to take back the jobs of others. */
export const QUEUES = [
  { name: "default", weight: 1 },
  { name: "quiet", weight: 1 },
];
