import type { Library } from "../adapters/adapter.js";
import type { Measured, Sample } from "../sample.js";

export interface Workload {
  readonly name: string;
  /** What is done and what is counted, for the help text and the result page. */
  readonly meaning: string;
  /** Those that can do it. Default: all. */
  readonly libraries?: readonly Library[];
  /** Name of the workload that it is but for one thing: its figures are compared with those, of the same round. */
  readonly variantOf?: string;
  /** Fewer rounds than asked for, where one sample takes long. */
  readonly maxRounds?: number;
  measure(sample: Sample): Promise<Measured>;
}

/**
 * Jobs that run before the clock starts, at scale 1, the same for every library: a process that has just started measures its compiler.
 * The fastest handles its first 10,000 in less than a tenth of a second, and gets faster for 100,000.
 */
export const WARM_UP_JOBS = 100_000;
/** Not fewer at small scales: a short run is compiled no sooner. */
export const LEAST_WARM_UP_JOBS = 4000;
/** Also before a drain one by one, which would take the slow libraries seconds. */
export const WARM_UP_CONCURRENCY = 100;
/** Jobs of a sample of the fast workloads, the same for every library: a second of the fastest. */
export const MEASURED_JOBS = 300_000;
/** The same of enqueues, whose payloads are made before the clock starts: more of them would measure the garbage collector. */
export const ENQUEUED_JOBS = 150_000;
/** Jobs a call for many. */
export const BULK_WIDTH = 1000;
/** Most payloads that a producer holds at once while it fills a backlog. */
export const FILL_CHUNK = 100_000;
