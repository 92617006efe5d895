import type { AnyTaskContract, Duration, QueueDefinition, ScheduleDefinition } from "../definition/index.js";

/** The job as a handler sees it. */
export interface Job<Payload = unknown> {
  readonly id: string;
  /** The task's name. */
  readonly task: string;
  readonly queue: string;
  /** Validated by the task's schema. */
  readonly payload: Payload;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** When the producer made it, milliseconds since the epoch. */
  readonly enqueuedAt: number;
}

/** Log lines carry the job's id, task and attempt. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Percent, or what a person wants to see of a running job. */
export type Progress = number | Readonly<Record<string, unknown>>;

/** An enqueue function of generated code, as far as `ctx.spawn` needs it. */
export type EnqueueOf<Payload, Options> = (
  payload: Payload,
  options?: Options,
) => Promise<{ readonly id: string }>;

/** What a handler may do beside returning its result. */
export interface TaskContext {
  /** Aborts on timeout, cancel, loss of the lease and forced shutdown; the reason says which. */
  readonly signal: AbortSignal;
  /** Same value in every attempt of this job: hand it to external systems that take an idempotency key. */
  readonly idempotencyKey: string;
  readonly log: Logger;
  /**
   * Runs `fn` once for the job: what it gave is stored, and later attempts get it back without running `fn`, also after a crash
   * of the worker and after a retry by hand. Resolves to what JSON keeps of the result, in the first attempt as in later ones.
   * When `fn` throws, nothing is stored and the error comes through. A crash between its effect and the store runs it again:
   * pass `ctx.idempotencyKey` on where the effect must happen once.
   *
   * `name`: 1 to 128 characters, each only once an attempt. Result: at most 64 KiB of JSON, 1 MiB for all steps of a job.
   * @throws PermanentError `StepInvalid` when name or result break these rules; the abort reason once `signal` has aborted.
   */
  step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result>;
  /**
   * Enqueues a job of another task, once for this job: `await ctx.spawn("mail", enqueueEmailConfirmation, { orderId })`. A step
   * with the child as its result, so `name` is one of the names of steps, and what holds for steps holds for it: a later attempt
   * gets the same id and enqueues nothing. Resolves to the child's id, when the child is stored; does not wait for it to run.
   *
   * `options`: those of the enqueue function but `id`. The child outlives its parent, whatever becomes of that.
   * @throws what the enqueue throws; else as `step`.
   */
  spawn<Payload, Options extends object>(
    name: string,
    enqueue: EnqueueOf<Payload, Options>,
    payload: NoInfer<Payload>,
    options?: NoInfer<Omit<Options, "id">>,
  ): Promise<string>;
  /**
   * Lets the job rest for a duration, or until a time (of Redis), without holding a slot, a lease or a process: the attempt ends here, and
   * when the time has come another one runs the handler from the start and passes this sleep as a step that is done. No
   * attempt is spent. `name` as with `step`. The promise rejects while it is too early: let that error pass.
   * @throws PermanentError `StepInvalid` for a bad name; TaskweftError `OptionInvalid` for a bad time.
   */
  sleep(name: string, time: Duration | Date): Promise<void>;
  /**
   * Notes how far the job is, for `weft jobs show` and `inspect`: percent (0 to 100, numbers beyond are cut to it) or an object
   * of at most 4 KiB of JSON. Does not wait: the latest value is written about four times a second, and one of the last quarter
   * second of an attempt may be lost. Ignored once the lease is.
   * @throws TaskweftError `OptionInvalid` for anything else.
   */
  progress(value: Progress): void;
  /** For stubs: `throw ctx.notImplemented()` goes dead at once with a message that names the file to edit. */
  notImplemented(): Error;
}

/**
 * Runs one attempt.
 * Returning (or resolving) completes the job. Throwing fails the attempt: a declared error follows its rule in YAML, a
 * `PermanentError` goes dead at once, anything else is retried by the task's policy.
 */
export type TaskHandler<Payload, Result> = (job: Job<Payload>, ctx: TaskContext) => Result | Promise<Result>;

/** A handler whose task does not matter. */
export type AnyHandler = (job: Job, ctx: TaskContext) => unknown;

/** Names, payloads and results of a project's tasks; codegen emits one as `TaskMap`. */
export type TaskTypes = Record<string, { payload: unknown; result: unknown }>;

/** A handler with the name of the task that it serves. */
export interface DefinedHandler<Name extends string = string, Payload = never, Result = unknown> {
  readonly name: Name;
  readonly handler: TaskHandler<Payload, Result>;
}

/** `defineHandler` for one project: the name picks the payload and the result. */
export type DefineHandler<Tasks> = <Name extends keyof Tasks & string>(
  name: Name,
  handler: TaskHandler<PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>,
) => DefinedHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>;

export type PayloadOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { payload: infer Payload }
  ? Payload
  : never;
export type ResultOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { result: infer Result }
  ? Result
  : never;

/** The job of any task of a project: once `job.task` is compared with a name, `job.payload` has the type of that task. */
export type AnyJob<Tasks> = {
  [Name in keyof Tasks & string]: Job<PayloadOf<Tasks, Name>> & { readonly task: Name };
}[keyof Tasks & string];

/**
 * Runs around a handler: `await next()` runs what is inside, and gives the handler's result or throws its error, for the layer
 * to see. What it returns is not used. What it throws is the attempt's error, as if the handler had thrown it.
 */
export type Middleware<SomeJob extends Job = Job> = (
  job: SomeJob,
  ctx: TaskContext,
  next: () => Promise<unknown>,
) => unknown;

/** The layers around every handler of a project, the outermost first. */
export interface DefinedMiddleware<SomeJob extends Job = never> {
  readonly layers: readonly Middleware<SomeJob>[];
}

/** `defineMiddleware` for one project. */
export type DefineMiddleware<Tasks> = (
  ...layers: readonly Middleware<AnyJob<Tasks>>[]
) => DefinedMiddleware<AnyJob<Tasks>>;

/** One lazy import a task, so that a worker that serves two queues loads only their handlers. */
export type HandlerImports<Tasks> = {
  readonly [Name in keyof Tasks & string]: () => Promise<
    DefinedHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>
  >;
};

/** What a worker process runs. */
export interface Registry {
  readonly contracts: readonly AnyTaskContract[];
  readonly queues: readonly QueueDefinition[];
  readonly handlers: Readonly<Record<string, () => Promise<DefinedHandler>>>;
  /** Default: none. Loaded with the first handler. */
  readonly middleware?: () => Promise<DefinedMiddleware>;
  /** Default: none. */
  readonly schedules?: readonly ScheduleDefinition[];
}

/** Makes `defineHandler` for a project's task map. */
export function createDefineHandler<Tasks>(): DefineHandler<Tasks> {
  return (name, handler) => ({ name, handler });
}

/** Makes `defineMiddleware` for a project's task map. */
export function createDefineMiddleware<Tasks>(): DefineMiddleware<Tasks> {
  return (...layers) => ({ layers });
}
