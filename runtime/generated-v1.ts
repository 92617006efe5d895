/**
 * The entry point for generated code, version 1. Generated files import nothing else of taskweft, so that
 * everything behind it can change without making committed code stale. A breaking change gets a new entry
 * point beside this one.
 */
export { z } from "zod";
export type { CancelledRunState, CancelOutcome } from "./cancel.js";
export * from "./client/index.js";
export {
  type AnyTaskContract,
  type EventDefinition,
  type QueueDefinition,
  type RunScheduleDefinition,
  type ScheduleDefinition,
  type TaskContract,
  type TaskSchemas,
  type WorkflowDefinition,
  defineAction,
  defineContract,
  defineEvent,
  defineRunSchedule,
  defineSchedule,
  defineSchemas,
  every,
  keyText,
  plain,
  present,
  some,
} from "./definition/index.js";
export { DeclaredError, PayloadInvalid, PermanentError, TaskweftError } from "./errors.js";
export { isolatedIn } from "./run-isolated.js";
export { runWorker } from "./run-worker.js";
export {
  type DefineBatchHandler,
  type DefineHandler,
  type DefineMiddleware,
  type DefinedBatchHandler,
  type DefinedHandler,
  type DefinedMiddleware,
  type BatchContext,
  type BatchHandler,
  type FailedJob,
  type HandlerImports,
  type Job,
  type Registry,
  type TaskContext,
  type TaskHandler,
  createDefineBatchHandler,
  createDefineHandler,
  createDefineMiddleware,
  createWorker,
} from "./worker/index.js";
