import type {
  AnyTaskContract,
  Duration,
  QueueDefinition,
  RunScheduleDefinition,
  ScheduleDefinition,
  Validator,
  WorkflowDefinition,
} from "../definition/index.js";

/** The job as a handler sees it. */
export interface Job<Payload = unknown> {
  readonly id: string;
  /** The name of the task. */
  readonly task: string;
  readonly queue: string;
  /** Validated by the schema of the task. */
  readonly payload: Payload;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** When the producer made the job, in milliseconds since the epoch. */
  readonly enqueuedAt: number;
}

/** Where a worker writes its lines; any logger with these four methods. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Percent, or an object that a person wants to see of a running job. */
export type Progress = number | Readonly<Record<string, unknown>>;

/** An enqueue function of generated code, as far as `ctx.spawn` needs it. */
export type EnqueueOf<Payload, Options> = (
  payload: Payload,
  options?: Options,
) => Promise<{ readonly id: string }>;

/**
 * The events that the handler of a task may wait for, with the fields that identify them; codegen emits it in
 * `TaskMap`.
 */
export type TaskWaits = Record<string, { event: object; by: string }>;

type WaitedEvent<Wait> = Wait extends { event: infer Event } ? Event : never;

/** How a handler identifies the event that it waits for. */
export interface WaitFor<Wait> {
  /**
   * The values of all fields that `waitsFor` of the task's definition names; an event with these values ends
   * the wait.
   */
  readonly where: Wait extends { event: infer Event; by: infer Field }
    ? Readonly<Pick<Event, Extract<Field, keyof Event>>>
    : never;
  /** How long to wait, counted from the first call on, in Redis time. */
  readonly timeout: Duration;
}

/** What a handler can do besides returning its result. `Waits`: the events that it may wait for. */
export interface TaskContext<Waits = Record<never, never>> {
  /** Aborts on timeout, cancel, loss of the lease and forced shutdown; the reason says which. */
  readonly signal: AbortSignal;
  /**
   * The same value in every attempt of this job: pass it to external systems that take an idempotency key. It
   * changes when a step of a workflow run was undone and runs again.
   */
  readonly idempotencyKey: string;
  /**
   * Writes to the log of the worker. Log lines carry the job's id, task and attempt. Lines of `info` and
   * above are also kept with the job, for `weft jobs show`: the newest 200 over all attempts, of at most
   * 1,000 characters each and 32 KiB together. They are written about four times a second, so the last
   * quarter second before a crash may be lost, and they are removed with the job.
   */
  readonly log: Logger;
  /**
   * Runs `fn` once for the job: the result is stored, and later attempts get it without running `fn`, also
   * after a crash of the worker and after a retry by hand. Resolves to what JSON preserves of the result, in
   * the first attempt as in later ones. When `fn` throws, nothing is stored and the error is passed on. A
   * crash between the effect of `fn` and the store runs `fn` again: pass on `ctx.idempotencyKey` when the
   * effect must happen once.
   *
   * `name`: 1 to 128 characters, unique within an attempt. Result: at most 64 KiB of JSON, 1 MiB for all
   * steps of a job.
   * @throws PermanentError `StepInvalid` when the name or the result breaks these rules; the abort reason
   * once `signal` has aborted.
   */
  step<Result>(name: string, fn: () => Result | Promise<Result>): Promise<Result>;
  /**
   * Enqueues a job of another task, once for this job: `await ctx.spawn("mail", enqueueEmailConfirmation, {
   * orderId })`. The child is a step, so `name` is a step name and the rules of steps apply: a later attempt
   * gets the same id and enqueues nothing. Resolves to the child's id when the child is stored; does not wait
   * for it to run.
   *
   * `options`: those of the enqueue function, without `id`. The child is independent of its parent once it is
   * stored.
   * @throws what the enqueue function throws; otherwise like `step`.
   */
  spawn<Payload, Options extends object>(
    name: string,
    enqueue: EnqueueOf<Payload, Options>,
    payload: NoInfer<Payload>,
    options?: NoInfer<Omit<Options, "id">>,
  ): Promise<string>;
  /**
   * Lets the job rest for a duration, or until a time (of Redis), without holding a slot, a lease or a
   * process. The attempt ends here without being counted; when the time has come, another one runs the
   * handler from the start, and this sleep is a step that is done. `name`: as with `step`. While it is too
   * early, the await rejects to end the attempt: do not catch that error.
   * @throws PermanentError `StepInvalid` for an invalid name; TaskweftError `OptionInvalid` for an invalid
   * time.
   */
  sleep(name: string, time: Duration | Date): Promise<void>;
  /**
   * Waits for an event that `waitsFor` of the task declares, without holding a slot, a lease or a process.
   * The job listens from the call on, and no step starts before it does. So call this before the step that
   * triggers the event, and await it afterwards. When the event has not come by then, the attempt ends
   * without being counted, and another one runs the handler from the start. Resolves to the first matching
   * event, or to `undefined` after `timeout`; later attempts get the same answer. While it waits, the await
   * rejects to end the attempt: do not catch that error.
   * @throws PermanentError `StepInvalid` for an invalid name; TaskweftError `OptionInvalid` for another
   * event, or invalid values or times.
   */
  waitFor<Event extends keyof Waits & string>(
    name: string,
    event: Event,
    options: WaitFor<Waits[Event]>,
  ): PromiseLike<WaitedEvent<Waits[Event]> | undefined>;
  /**
   * Reports the progress of the job for `weft jobs show`: percent (clamped to 0 to 100) or an object of at
   * most 4 KiB of JSON. Does not wait: the latest value is written about four times a second, and one from
   * the last quarter second of an attempt may be lost. Ignored after the lease is lost.
   * @throws TaskweftError `OptionInvalid` for anything else.
   */
  progress(value: Progress): void;
  /**
   * For stubs: `throw ctx.notImplemented()` makes the job dead at once, with a message that names the file to
   * edit.
   */
  notImplemented(): Error;
}

/**
 * Runs one attempt. Returning (or resolving) completes the job. Throwing fails the attempt: a declared error
 * follows its rule in YAML, a `PermanentError` makes the job dead at once, and any other error is retried by
 * the policy of the task.
 */
export type TaskHandler<Payload, Result, Waits = Record<never, never>> = (
  job: Job<Payload>,
  ctx: TaskContext<Waits>,
) => Result | Promise<Result>;

/** Returned by `ctx.fail`; takes the place of the failed job's result in the list of results. */
export class FailedJob {
  readonly #id: string;

  constructor(id: string) {
    this.#id = id;
  }

  static is(value: unknown): value is FailedJob {
    return typeof value === "object" && value !== null && #id in value;
  }

  get id(): string {
    return this.#id;
  }
}

/**
 * What the handler of a batch can do besides returning. For systems that take an idempotency key, use
 * `job.id`.
 */
export interface BatchContext {
  /**
   * Aborts when the whole batch must stop: timeout, loss of the lease, forced shutdown, or a cancel of all of
   * its jobs.
   */
  readonly signal: AbortSignal;
  /** Log lines carry the task and the number of jobs. */
  readonly log: Logger;
  /**
   * Fails this job, as if the handler of a single job had thrown `error`; the other jobs are not affected.
   * Only the first error of a job counts. In a task with a result, put the returned value into the list in
   * the place of the result.
   * @throws TaskweftError `OptionInvalid` when the job does not belong to this batch.
   */
  fail(job: Job, error: unknown): FailedJob;
  /**
   * For stubs: `throw ctx.notImplemented()` makes the jobs dead at once, with a message that names the file
   * to edit.
   */
  notImplemented(): Error;
}

/**
 * Runs one attempt of each of several jobs of a task. Returning (or resolving) completes the jobs that
 * `ctx.fail` did not fail; a task with a result returns a list with one result for each job, in their order.
 * Throwing fails all of them, each under its own rules.
 */
export type BatchHandler<Payload, Result> = (
  jobs: readonly Job<Payload>[],
  ctx: BatchContext,
) => BatchResult<Result> | Promise<BatchResult<Result>>;

/** `void` for a task without a result. */
export type BatchResult<Result> = [Result] extends [void] ? void : readonly (Result | FailedJob)[];

/** A batch handler of any task. */
export type AnyBatchHandler = (jobs: readonly Job[], ctx: BatchContext) => unknown;

/** A handler of any task. */
export type AnyHandler = (job: Job, ctx: TaskContext<never>) => unknown;

/**
 * The tasks of a project: payload, result, whether it runs in batches, and what it waits for; codegen emits
 * it as `TaskMap`.
 */
export type TaskTypes = Record<
  string,
  { payload: unknown; result: unknown; batch?: true; waits?: TaskWaits }
>;

/** The tasks whose handler is called for many jobs at once. */
export type BatchNames<Tasks> = {
  [Name in keyof Tasks & string]: Tasks[Name] extends { batch: true } ? Name : never;
}[keyof Tasks & string];

/** The tasks whose handler is called for one job. */
export type SingleNames<Tasks> = Exclude<keyof Tasks & string, BatchNames<Tasks>>;

/** A handler with the name of the task that it serves. */
export interface DefinedHandler<
  Name extends string = string,
  Payload = never,
  Result = unknown,
  Waits = never,
> {
  readonly name: Name;
  readonly handler: TaskHandler<Payload, Result, Waits>;
}

/** A batch handler with the name of the task that it serves. */
export interface DefinedBatchHandler<Name extends string = string, Payload = never, Result = never> {
  readonly name: Name;
  readonly batchHandler: BatchHandler<Payload, Result>;
}

/** `defineHandler` for one project: the name determines the types of payload and result. */
export type DefineHandler<Tasks> = <Name extends SingleNames<Tasks>>(
  name: Name,
  handler: TaskHandler<PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>, WaitsOf<Tasks, Name>>,
) => DefinedHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>, WaitsOf<Tasks, Name>>;

/** `defineBatchHandler` for one project, for the tasks that declare `batch`. */
export type DefineBatchHandler<Tasks> = <Name extends BatchNames<Tasks>>(
  name: Name,
  handler: BatchHandler<PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>,
) => DefinedBatchHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>;

export type PayloadOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { payload: infer Payload }
  ? Payload
  : never;
/** Empty for a task that waits for no event. */
export type WaitsOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { waits: infer Waits }
  ? Waits
  : Record<never, never>;
export type ResultOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { result: infer Result }
  ? Result
  : never;

/**
 * The job of any task of a project: comparing `job.task` with a name narrows `job.payload` to the type of
 * that task.
 */
export type AnyJob<Tasks> = {
  [Name in keyof Tasks & string]: Job<PayloadOf<Tasks, Name>> & { readonly task: Name };
}[keyof Tasks & string];

/**
 * Runs around a handler. `await next()` runs the inner layers and the handler, and settles like the handler,
 * for the layer to observe. The return value of a layer is ignored. An error that it throws fails the attempt
 * as if the handler had thrown it.
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

/** One lazy import for each task, so that a worker that serves two queues loads only their handlers. */
export type HandlerImports<Tasks> = {
  readonly [Name in keyof Tasks & string]: () => Promise<
    Name extends BatchNames<Tasks>
      ? DefinedBatchHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>
      : DefinedHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>, WaitsOf<Tasks, Name>>
  >;
};

/** For any task: the types of payload and result differ between tasks. */
interface AnyDefinedBatchHandler {
  readonly name: string;
  readonly batchHandler: (jobs: never, ctx: BatchContext) => unknown;
}

/** What a worker process runs. */
export interface Registry {
  readonly contracts: readonly AnyTaskContract[];
  readonly queues: readonly QueueDefinition[];
  readonly handlers: Readonly<Record<string, () => Promise<DefinedHandler | AnyDefinedBatchHandler>>>;
  /** Default: none. Loaded with the first handler. */
  readonly middleware?: () => Promise<DefinedMiddleware>;
  /** Made by `isolatedIn`. Default: all handlers run in the worker itself, even those of isolated tasks. */
  readonly isolated?: IsolatedRegistry;
  /** Default: none. */
  readonly schedules?: readonly AnySchedule[];
  /**
   * Start functions of the workflows that are used as steps. Default: none. Loaded with the first such step.
   */
  readonly workflows?: () => Promise<readonly StartedBySteps[]>;
}

/** The part of a start function that validates the input of a run. */
export interface StartedBySteps {
  readonly contract?: {
    readonly definition: Pick<WorkflowDefinition, "hash" | "name">;
    readonly input: () => Validator<unknown>;
  };
}

export type AnySchedule = RunScheduleDefinition | ScheduleDefinition;

/** How threads and processes obtain the handlers of a registry. */
export interface IsolatedRegistry {
  /** URL of the module that makes the registry; threads and processes import it themselves. */
  readonly module: string;
  /** The handlers of that module. A handler that was put into the registry by hand is not available there. */
  readonly handlers: Registry["handlers"];
  readonly middleware?: Registry["middleware"];
}

/** Makes `defineHandler` for a project's task map. */
export function createDefineHandler<Tasks>(): DefineHandler<Tasks> {
  return (name, handler) => ({ name, handler });
}

/** Makes `defineBatchHandler` for a project's task map. */
export function createDefineBatchHandler<Tasks>(): DefineBatchHandler<Tasks> {
  return (name, batchHandler) => ({ name, batchHandler });
}

/** Makes `defineMiddleware` for a project's task map. */
export function createDefineMiddleware<Tasks>(): DefineMiddleware<Tasks> {
  return (...layers) => ({ layers });
}
