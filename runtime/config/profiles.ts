/**
 * Sets of values for four kinds of load, as a starting point. A value that is set individually takes
 * precedence.
 */

export const PROFILE_NAMES = ["constrained", "latency", "reliability", "throughput"] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];

export const PROFILES: Readonly<Record<ProfileName, Readonly<Record<string, unknown>>>> = {
  /** Small machines and a small Redis: few handlers at once, short retention. */
  constrained: { "worker.concurrency": 4, "worker.claimAhead": 0, "retention.completed": "5m" },
  /**
   * A claimed job never waits in its worker behind another one, and free slots are ready when a job arrives.
   */
  latency: { "worker.concurrency": 50, "worker.claimAhead": 0 },
  /**
   * Long pauses do not cost a worker its lease, deploys wait for running jobs, and a crash affects only jobs
   * that had started.
   */
  reliability: { "worker.lease": "30s", "worker.grace": "60s", "worker.claimAhead": 0 },
  /** Many short I/O-bound handlers: high concurrency, and larger claims. */
  throughput: { "worker.concurrency": 100, "worker.claimAhead": "20ms" },
};
