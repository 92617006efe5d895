/**
 * Metrics in the text format of Prometheus: what a process counts while it works, and what it is asked for when somebody reads.
 * Knows nothing of Redis or of jobs; whoever has something to tell counts here.
 */
export { type MetricsAddress, type MetricsEndpoint, serveMetrics } from "./endpoint.js";
export { EXPOSITION_TYPE, exposition } from "./exposition.js";
export { FAMILIES, type Family, type FamilyName } from "./families.js";
export { FleetMetrics, METRICS_QUESTION, metricsAnswer } from "./fleet.js";
export { BOUNDS_MS, Histogram } from "./histogram.js";
export type { Enqueued, JobMeter, OutcomeCounts } from "./job-meter.js";
export { metricsText, type MetricsSource, processMetrics, ProcessMetrics } from "./process-metrics.js";
export { countedIn, Readings, type Snapshot } from "./readings.js";
