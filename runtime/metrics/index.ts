/**
 * Metrics in the text format of Prometheus: counters that a process increments while it works, and gauges
 * that are read when it is scraped. This folder knows nothing about Redis or jobs; other parts count into it.
 */
export { type MetricsAddress, type MetricsEndpoint, serveMetrics } from "./endpoint.js";
export { EXPOSITION_TYPE, exposition } from "./exposition.js";
export { FAMILIES, type Family, type FamilyName } from "./families.js";
export { FleetMetrics, METRICS_QUESTION, metricsAnswer } from "./fleet.js";
export { BOUNDS_MS, Histogram } from "./histogram.js";
export type { Enqueued, JobMeter, OutcomeCounts } from "./job-meter.js";
export { metricsText, type MetricsSource, processMetrics, ProcessMetrics } from "./process-metrics.js";
export { countedIn, Readings, type Snapshot } from "./readings.js";
