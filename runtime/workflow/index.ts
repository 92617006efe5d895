/** What a workflow's definition means for a run. Pure: reads no Redis and runs no handler. */
export * from "./child.js";
export * from "./decide.js";
export * from "./expression.js";
export * from "./graph.js";
export * from "./items.js";
export * from "./listeners.js";
export * from "./resume.js";
export * from "./start.js";
