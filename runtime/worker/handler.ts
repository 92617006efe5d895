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

/** The events for which the handler of a task may wait, with the fields by which they are found; codegen emits it in `TaskMap`. */
export type TaskWaits = Record<string, { event: object; by: string }>;

type WaitedEvent<Wait> = Wait extends { event: infer Event } ? Event : never;

/** What a handler says of the event for which it waits. */
export interface WaitFor<Wait> {
  /** The values of all fields that the task's definition names in `waitsFor`: an event that has them is meant. */
  readonly where: Wait extends { event: infer Event; by: infer Field }
    ? Readonly<Pick<Event, Extract<Field, keyof Event>>>
    : never;
  /** How long it waits, from the first call on, by the clock of Redis. */
  readonly timeout: Duration;
}

/** What a handler may do beside returning its result. `Waits`: the events for which it may wait. */
export interface TaskContext<Waits = Record<never, never>> {
  /** Aborts on timeout, cancel, loss of the lease and forced shutdown; the reason says which. */
  readonly signal: AbortSignal;
  /**
   * Same value in every attempt of this job: hand it to external systems that take an idempotency key. Another one where a step of a
   * workflow run was undone and runs again.
   */
  readonly idempotencyKey: string;
  /**
   * Writes to the log of the worker. Lines of `info` and above are kept with the job, too, for `weft jobs show` and `inspect`: the
   * newest 200, of at most 1,000 characters each and 32 KiB together, over all attempts. They are written about four times a second, so the
   * last quarter second before a crash may be lost, and go with the job.
   */
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
   * Waits for an event of `waitsFor` of the task, without holding a slot, a lease or a process. The job listens from the call on: no step begins
   * before it does, so call this before the step that asks for the event, and await it after. Where it is awaited before the event has
   * come, the attempt ends, unspent, and another one runs the handler from the start. The first event that fits becomes a step of this
   * `name`, and later attempts get it back. `undefined`: none came in time. Let the error of an attempt that rests pass.
   * @throws PermanentError `StepInvalid` for a bad name; TaskweftError `OptionInvalid` for another event, bad values or a bad time.
   */
  waitFor<Event extends keyof Waits & string>(
    name: string,
    event: Event,
    options: WaitFor<Waits[Event]>,
  ): PromiseLike<WaitedEvent<Waits[Event]> | undefined>;
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
export type TaskHandler<Payload, Result, Waits = Record<never, never>> = (
  job: Job<Payload>,
  ctx: TaskContext<Waits>,
) => Result | Promise<Result>;

/** What `ctx.fail` gives: stands in the list of results for the job that has none. */
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

/** What the handler of a batch may do beside returning. `job.id` is the key for systems that take an idempotency key. */
export interface BatchContext {
  /** Aborts when the batch as a whole is to stop: timeout, loss of the lease, forced shutdown, or all its jobs were cancelled. */
  readonly signal: AbortSignal;
  /** Lines carry the task and the number of jobs. */
  readonly log: Logger;
  /**
   * This job has failed, as if the handler of a single job had thrown `error`; the others have not. The first error of a job
   * counts. In a task with a result, what it gives back stands in the list in the place of the result.
   * @throws TaskweftError `OptionInvalid` when the job is not of this batch.
   */
  fail(job: Job, error: unknown): FailedJob;
  /** For stubs: `throw ctx.notImplemented()` goes dead at once with a message that names the file to edit. */
  notImplemented(): Error;
}

/**
 * Runs one attempt of each of some jobs of a task. Returning (or resolving) completes those that were not failed by `ctx.fail`;
 * a task with a result returns a list with one for each job, in their order. Throwing fails all of them, each under its own rules.
 */
export type BatchHandler<Payload, Result> = (
  jobs: readonly Job<Payload>[],
  ctx: BatchContext,
) => BatchResult<Result> | Promise<BatchResult<Result>>;

/** Nothing where the task has no result. */
export type BatchResult<Result> = [Result] extends [void] ? void : readonly (Result | FailedJob)[];

/** A batch handler whose task does not matter. */
export type AnyBatchHandler = (jobs: readonly Job[], ctx: BatchContext) => unknown;

/** A handler whose task does not matter. */
export type AnyHandler = (job: Job, ctx: TaskContext<never>) => unknown;

/** Names, payloads and results of a project's tasks, which run in batches, and what they wait for; codegen emits one as `TaskMap`. */
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

/** `defineHandler` for one project: the name picks the payload and the result. */
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
/** Nothing for a task that waits for no event. */
export type WaitsOf<Tasks, Name extends keyof Tasks> = Tasks[Name] extends { waits: infer Waits }
  ? Waits
  : Record<never, never>;
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
    Name extends BatchNames<Tasks>
      ? DefinedBatchHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>>
      : DefinedHandler<Name, PayloadOf<Tasks, Name>, ResultOf<Tasks, Name>, WaitsOf<Tasks, Name>>
  >;
};

/** Of any task; the payload and the result of one do not fit those of another. */
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
  /** Made by `isolatedIn`. Default: handlers run in the worker itself, whatever their tasks say. */
  readonly isolated?: IsolatedRegistry;
  /** Default: none. */
  readonly schedules?: readonly AnySchedule[];
  /** Start functions of the workflows of which steps are runs. Default: none. Loaded with the first of these runs. */
  readonly workflows?: () => Promise<readonly StartedBySteps[]>;
}

/** A start function, as far as it says what the input of a run must be. */
export interface StartedBySteps {
  readonly contract?: {
    readonly definition: Pick<WorkflowDefinition, "hash" | "name">;
    readonly input: () => Validator<unknown>;
  };
}

export type AnySchedule = RunScheduleDefinition | ScheduleDefinition;

/** How threads and processes come by the handlers of a registry. */
export interface IsolatedRegistry {
  /** URL of the module that makes the registry; they import it for themselves. */
  readonly module: string;
  /** What the module has: handlers that somebody else put into a registry cannot be had there. */
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
