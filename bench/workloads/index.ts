/** All workloads, in the order of the result page. */
import { drainWorkloads } from "./drain.js";
import { enqueueWorkloads } from "./enqueue.js";
import { featureWorkloads } from "./features.js";
import { flowWorkloads } from "./flows.js";
import { latencyWorkloads } from "./latency.js";
import { operateWorkloads } from "./operate.js";
import type { Workload } from "./workload.js";

export type { Workload } from "./workload.js";

export const WORKLOADS: readonly Workload[] = [
  ...enqueueWorkloads,
  ...drainWorkloads,
  ...operateWorkloads,
  ...latencyWorkloads,
  ...featureWorkloads,
  ...flowWorkloads,
];
