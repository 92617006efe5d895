/** Values for four kinds of load, as a start. Whatever is set by itself wins. */

export const PROFILE_NAMES = ["constrained", "latency", "reliability", "throughput"] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export const PROFILES: Readonly<Record<ProfileName, Readonly<Record<string, unknown>>>> = {
  /** Small machines and a small Redis: few handlers at once, and nothing is kept for long. */
  constrained: { "worker.concurrency": 4, "worker.claimAhead": 0, "retention.completed": "5m" },
  /** A job never waits in a worker behind another, and slots are free when it comes. */
  latency: { "worker.concurrency": 50, "worker.claimAhead": 0 },
  /** Long pauses cost no job its worker, deploys wait for what runs, and a crash reaches only jobs that had begun. */
  reliability: { "worker.lease": "30s", "worker.grace": "60s", "worker.claimAhead": 0 },
  /** Many short handlers that wait for others: many at once, claimed in larger parts. */
  throughput: { "worker.concurrency": 100, "worker.claimAhead": "20ms" },
};
