/**
 * The resolved form of definitions. Pure data: imports only its own files and zod, and is the only part of the
 * runtime that codegen may import.
 */
export * from "./duration.js";
export * from "./event.js";
export * from "./fit.js";
export * from "./follow-up.js";
export * from "./hiding-characters.js";
export * from "./limited-group.js";
export * from "./names.js";
export * from "./quick-validator.js";
export * from "./retry-policy.js";
export * from "./task-definition.js";
export * from "./task-contract.js";
export * from "./define.js";
export * from "./cron.js";
export * from "./schedule.js";
export * from "./secrets.js";
export * from "./ticks.js";
export * from "./did-you-mean.js";
export * from "./workflow.js";
