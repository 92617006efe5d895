/**
 * taskweft for programs: clients, workers, errors. Generated code has its own entry point,
 * `taskweft/generated-v1`.
 */
export type { CancelledRunState, CancelOutcome } from "./cancel.js";
export {
  type ClientOptions,
  type EmitFunction,
  type EmitOptions,
  type EmitResult,
  type EmittedJob,
  type EnqueueFunction,
  type EnqueueOptions,
  type EnqueueOutcome,
  type FailedAction,
  type JobHandle,
  type ReplayOptions,
  type RunHandle,
  type StartFunction,
  type StartOptions,
  type StartedRunOf,
  type TaskweftClient,
  EmitIncomplete,
  connect,
  createClient,
  disconnect,
} from "./client/index.js";
export { type Config, loadConfig } from "./config/index.js";
export { type Duration, formatDuration, parseDuration } from "./definition/index.js";
export {
  type ErrorCode,
  type PayloadProblem,
  DeclaredError,
  ERROR_CODES,
  PayloadInvalid,
  PermanentError,
  TaskweftError,
} from "./errors.js";
export { metricsText } from "./metrics/index.js";
export { runWorker, workerOptionsFromEnv } from "./run-worker.js";
export {
  type BatchContext,
  type BatchHandler,
  type BatchResult,
  type FailedJob,
  type Job,
  type LogLevel,
  type Logger,
  type Middleware,
  type Progress,
  type Registry,
  type TaskContext,
  type TaskHandler,
  type WaitFor,
  type Worker,
  type WorkerOptions,
  Cancelled,
  HandlerCrashed,
  LOG_LEVELS,
  LeaseLost,
  MiddlewareInvalid,
  ShuttingDown,
  StepInvalid,
  TimeoutExceeded,
  createConsoleLogger,
  createWorker,
} from "./worker/index.js";
