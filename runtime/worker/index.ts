/** The executing side: claims jobs, runs handlers, records outcomes, takes back what the dead left behind. */
export { Cancelled, HandlerCrashed, LeaseLost, ShuttingDown, TimeoutExceeded } from "./abort-reasons.js";
export * from "./handler.js";
export { LOG_LEVELS, type LogLevel, createConsoleLogger } from "./logger.js";
export { MiddlewareInvalid } from "./middleware.js";
export { StepInvalid } from "./step-journal.js";
export { Worker, createWorker } from "./worker.js";
export type { WorkerOptions } from "./worker-options.js";
