/** The shard's moves: one Lua script each, with one typed wrapper. Nothing else in the runtime writes job state. */
export * from "./advance.js";
export * from "./await.js";
export * from "./cancel.js";
export * from "./discard.js";
export * from "./enqueue.js";
export * from "./fail.js";
export * from "./heartbeat.js";
export * from "./isolate.js";
export * from "./note.js";
export * from "./reclaim.js";
export * from "./remove.js";
export * from "./retry.js";
export * from "./save-step.js";
export * from "./script.js";
export * from "./sweep.js";
