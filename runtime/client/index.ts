/** The producer's side: validates and sends jobs, and awaits results. Never loads a handler. */
export * from "./client.js";
export { connect, currentClient, disconnect } from "./default-client.js";
export * from "./emit-function.js";
export * from "./emit-result.js";
export * from "./enqueue-function.js";
export * from "./enqueue-options.js";
export { actionJobId } from "./observer.js";
export { defineStart } from "./start-action.js";
export * from "./start-function.js";
