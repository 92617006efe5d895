/**
 * The format of everything in Redis: key names, record texts, states, ids. Pure data and pure functions,
 * without I/O.
 */
export * from "./draining.js";
export * from "./events.js";
export * from "./ids.js";
export * from "./job-log.js";
export * from "./keys.js";
export * from "./records.js";
export * from "./run-life.js";
export * from "./schedules.js";
export * from "./states.js";
export * from "./unserved.js";
export * from "./waits.js";
export * from "./workflows.js";
export * from "./shard-router.js";
