// What the chaos tests enqueue and their worker processes run.
import { defineTask } from "../support/task.js";

export interface Work {
  readonly n: number;
  /** How long the job takes (ms). */
  readonly ms: number;
}

export const WORK = defineTask<Work, number>("chaos:work", {
  timeoutMs: 300_000,
  // Longer than any of these tests: what ran is counted at their end.
  retention: { completedMs: 3_600_000, deadMs: 3_600_000 },
});
export interface Block extends Work {
  /** Blocks without using the processor, so that more of them fit on a machine. */
  readonly idle?: boolean;
}

/** Blocks the event loop of its process for as long as it takes. */
export const BLOCK = defineTask<Block, number>("chaos:block", {
  timeoutMs: 300_000,
  retention: { completedMs: 3_600_000, deadMs: 3_600_000 },
});
const RHYTHMS: readonly (readonly [cron: string, fires: (minute: number) => boolean])[] = [
  ["* * * * *", () => true],
  ["*/2 * * * *", (minute) => minute % 2 === 0],
  ["1-59/3 * * * *", (minute) => minute % 3 === 1],
];
export const POISON = defineTask<{ readonly n: number }>("chaos:poison", {
  retry: { maxRetries: 25, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
/** Nothing is enqueued to `quiet`: a worker that serves only that one has time to take back the jobs of others. */
export const QUEUES = [
  { name: "default", weight: 1 },
  { name: "quiet", weight: 1 },
];

/** Schedules with ticks of many minutes, and which minutes of the hour those are: told by plain arithmetic, not by a cron expression. */
export const SCHEDULES = Array.from({ length: 30 }, (_unused, index) => {
  const [cron, fires] = RHYTHMS[index % RHYTHMS.length]!;
  const settings = { cron, timezone: "Etc/UTC", missed: "all", overlap: "allow", jitterMs: 0 } as const;
  return {
    schedule: { ...settings, name: `schedule-${index}`, task: WORK.name, payload: { n: index, ms: 5 } },
    fires,
  };
});
