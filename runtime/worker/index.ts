/**
 * The executing side: claims jobs, runs handlers, records outcomes, and takes back the jobs of dead workers.
 */
export { Cancelled, HandlerCrashed, LeaseLost, ShuttingDown, TimeoutExceeded } from "./abort-reasons.js";
export * from "./handler.js";
export { LOG_LEVELS, type LogLevel, createConsoleLogger } from "./logger.js";
export { MiddlewareInvalid } from "./attempts/middleware.js";
export { StepInvalid } from "./attempts/step-journal.js";
export { createWorker } from "./sharded-worker.js";
export type { Worker } from "./worker-part.js";
export type { WorkerOptions } from "./worker-options.js";
