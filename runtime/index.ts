/**
 * taskweft for programs: clients, workers, errors. Generated code has its own entry point,
 * `taskweft/generated-v1`.
 */
export * from "./client/index.js";
export { formatDuration, parseDuration, type Duration } from "./definition/index.js";
export { type Config, loadConfig } from "./config/index.js";
export * from "./errors.js";
export { metricsText } from "./metrics/index.js";
export { runWorker, workerOptionsFromEnv } from "./run-worker.js";
export * from "./worker/index.js";
