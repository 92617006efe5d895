import type { Durability } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { TaskweftClient } from "./client.js";
import type { EnqueueOutcome } from "./enqueue-options.js";

export interface EmitOptions {
  /** The client to use. Default: the one made by `connect()`. */
  readonly client?: TaskweftClient;
  /** What the emit waits for, for all its jobs. Default: what each task says, else `memory`. */
  readonly durability?: Durability;
  /**
   * The event's id, 1 to 128 of `A-Za-z0-9._:-`. Default: made by the client. The ids of the jobs are made from it, so emitting
   * the same event again under the same id adds no second job while the first is kept.
   */
  readonly id?: string;
}

export interface ReplayOptions<Observer extends string = string> extends Omit<EmitOptions, "id"> {
  /**
   * True: everything runs again, as an event of its own, with a new id that stands in the result. Default: false, only what the event
   * has not come to yet is done: observers added since, conditions that hold now, and actions that failed or were not stored.
   */
  readonly again?: boolean;
  /** Only these observers hear of it, and no runs and handlers that wait for it. Default: all. */
  readonly observers?: readonly Observer[];
}

/** The tasks of the observers of an event, by the name of the observer. */
export type ObserverTasks = Readonly<Record<string, string>>;

/** One job that followed from an event. */
export type EmittedJob<Observers> = {
  [Observer in keyof Observers]: {
    readonly observer: Observer;
    readonly task: Observers[Observer];
    readonly id: string;
    /** True when the job was there already: its id, or the idempotency or dedupe key of its task, was known. */
    readonly deduplicated: boolean;
    /** What the task's `dedupe` made of it; as of a single enqueue. */
    readonly outcome: EnqueueOutcome;
  };
}[keyof Observers];

/** An action that did not come to a job that can run. */
export type FailedAction<Observers> = {
  [Observer in keyof Observers]: {
    readonly observer: Observer;
    /** Absent when the condition failed. */
    readonly task?: Observers[Observer];
    /** Instead of a task, where a run was to be started. */
    readonly workflow?: string;
    readonly error: Error;
    /** The job that was stored all the same; its worker refuses the payload, and it is dead. */
    readonly jobId?: string;
  };
}[keyof Observers];

/** One run of a workflow that followed from an event. */
export interface StartedRunOf<Observer> {
  readonly observer: Observer;
  readonly workflow: string;
  readonly id: string;
  /** True when the run was there already: the id or the workflow's idempotency key was known. */
  readonly deduplicated: boolean;
}

export interface EmitResult<Observers = ObserverTasks> {
  /** Of the event. */
  readonly id: string;
  /** In the order of the observers' names and their actions. Observers whose condition does not hold have none. */
  readonly jobs: readonly EmittedJob<Observers>[];
  readonly failed: readonly FailedAction<Observers>[];
  /** The runs that were started, in no order. */
  readonly started: readonly StartedRunOf<keyof Observers>[];
  /** The runs of workflows that have heard of it: those that wait for such an event, or will. */
  readonly runs: readonly string[];
  /** The jobs whose handlers have heard of it: those that wait for such an event (`ctx.waitFor`). */
  readonly heardBy: readonly string[];
}

/** The function that codegen emits for an event. */
export interface EmitFunction<Event, Observers> {
  /**
   * Tells all observers of the event, and the runs and handlers that wait for it: the jobs are stored, and they have heard, when this
   * resolves.
   * @throws PayloadInvalid before Redis is touched.
   * @throws EmitIncomplete when Redis did not store all of that; the rest is stored. Emit again under its `eventId`.
   * @throws TaskweftError with code `OptionInvalid`, `NotConnected`, or `IdConflict`: an event of that `id` is kept with another content, and nothing
   * of this one was stored.
   */
  (event: Event, options?: EmitOptions): Promise<EmitResult<Observers>>;
  /** The event's name. */
  readonly event: string;
  /**
   * Brings an event that is kept (`retention` in its definition) to the observers that there are now. The result has what this call did.
   * @throws TaskweftError with code `EventUnknown`: none of that id is kept.
   * @throws PayloadInvalid where what was emitted does not fit the schema that the event has now.
   * @throws EmitIncomplete as an emit does. Replay again under its `eventId`.
   */
  replay(id: string, options?: ReplayOptions<keyof Observers & string>): Promise<EmitResult<Observers>>;
}

/**
 * Redis did not store all jobs of an event; its code is that of the first failure (`QueueFull`, `RedisUnavailable`,
 * `OutcomeUnknown`, ...). Emitting the event again under `eventId` stores what is missing, and nothing twice.
 */
export class EmitIncomplete extends TaskweftError {
  override readonly name = "EmitIncomplete";
  readonly eventId: string;
  /** The jobs that are stored, and what failed. */
  readonly result: EmitResult;

  constructor(
    event: string,
    result: EmitResult,
    first: TaskweftError,
    { kept, operation }: { readonly kept: boolean; readonly operation: "emit" | "replay" },
  ) {
    const { id } = result;
    const again = operation === "emit" ? `Emit it again with { id: ${JSON.stringify(id)} }` : `Replay ${id}`;
    super(
      first.code,
      `${shortfall(event, result, first, kept)}: ${reasonOf(first)}. ${again}: that stores what is missing, and nothing twice.`,
      { operation, cause: first, ...(first.jobId === undefined ? {} : { jobId: first.jobId }) },
    );
    this.eventId = id;
    this.result = result;
  }
}

function reasonOf({ code, message, jobId }: TaskweftError): string {
  // What this error says of ids is for whoever chose one.
  if (code === "IdConflict" && jobId !== undefined)
    return `the job ${jobId} was stored with another payload before the observers changed, and is not made again; emit the event under another id if it has to be`;
  return message.slice(code.length + 2).replace(/\.$/, "");
}

function shortfall(
  event: string,
  { jobs, started, failed }: EmitResult,
  first: TaskweftError,
  kept: boolean,
): string {
  if (failed.some(({ error }) => error === first)) {
    const observers = [...new Set(failed.map(({ observer }) => observer))].join(", ");
    const stored = jobs.length + started.length;
    const hasRuns = started.length > 0 || failed.some(({ workflow }) => workflow !== undefined);
    return `${stored} of ${stored + failed.length} ${hasRuns ? "jobs and runs" : "jobs"} of the event ${event} are known to be stored, without ${observers}`;
  }
  if (!kept) return `the event ${event} is not known to be kept`;
  return `not all that wait for the event ${event} are known to have heard of it`;
}
