/**
 * What each optional feature costs: the jobs of `drain-100` with the feature on. Only taskweft is measured; its figures stand beside
 * its own plain drain and BullMQ's of the same round.
 */
import type { Feature } from "../adapters/adapter.js";
import { type DrainShape, measureDrain } from "./drain.js";
import { MEASURED_JOBS, type Workload } from "./workload.js";

const LIMITS: readonly Feature[] = ["concurrencyKey", "idempotencyKey", "rateLimit"];

function featureWorkload(
  name: string,
  meaning: string,
  features: readonly Feature[],
  shape: Partial<DrainShape> = {},
): Workload {
  return {
    name: `feature-${name}`,
    meaning: `as drain-100, ${meaning}`,
    libraries: ["taskweft"],
    variantOf: "drain-100",
    measure: (sample) => measureDrain(sample, { concurrency: 100, jobs: MEASURED_JOBS, features, ...shape }),
  };
}

/** Where each job takes a round trip or a message of its own. */
const SLOW = { jobs: 50_000 };

export const featureWorkloads: readonly Workload[] = [
  featureWorkload("all", "with idempotency key, concurrency key and rate limit at once", LIMITS),
  featureWorkload("batch", "handled in batches of up to 100", ["batch"]),
  featureWorkload("concurrency", "at most 10 at a time for each of 1,000 keys", ["concurrencyKey"]),
  featureWorkload("dedupe", "each with a dedupe key, its own while it is unfinished", ["dedupeKey"]),
  featureWorkload("fairness", "in turns of 1,000 keys", ["fairnessKey"]),
  featureWorkload("idempotency", "each with an idempotency key", ["idempotencyKey"]),
  featureWorkload("middleware", "inside one layer of middleware", ["middleware"]),
  featureWorkload("rate", "with a rate, never reached, for each of 1,000 keys", ["rateLimit"]),
  featureWorkload("result", "with a result that is validated and kept", ["result"], { keepCompleted: true }),
  featureWorkload("step", "with one durable step in each handler", ["step"], SLOW),
  featureWorkload("thread", "handlers in threads of their own", ["thread"], SLOW),
];
