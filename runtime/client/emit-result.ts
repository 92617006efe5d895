import type { Durability } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { TaskweftClient } from "./client.js";
import type { EnqueueOutcome } from "./enqueue-options.js";

export interface EmitOptions {
  /** The client to use. Default: the one made by `connect()`. */
  readonly client?: TaskweftClient;
  /** What the emit waits for, for all its jobs. Default: the durability of each task, else `memory`. */
  readonly durability?: Durability;
  /**
   * The event's id, 1 to 128 of `A-Za-z0-9._:-`. Default: made by the client. Job ids are derived from it, so
   * emitting the same event again under the same id adds no second job while the first is kept.
   */
  readonly id?: string;
}

export interface ReplayOptions<Observer extends string = string> extends Omit<EmitOptions, "id"> {
  /**
   * True: run everything again, as a new event whose id is in the result. Default: false, which runs only
   * what the event has not reached yet: observers added since, conditions that hold now, and actions that
   * failed or were not stored.
   */
  readonly again?: boolean;
  /** Tell only these observers, and no waiting runs or handlers. Default: all. */
  readonly observers?: readonly Observer[];
}

/** The tasks of an event's observers, by observer name. */
export type ObserverTasks = Readonly<Record<string, string>>;

/** One job that resulted from an event. */
export type EmittedJob<Observers> = {
  [Observer in keyof Observers]: {
    readonly observer: Observer;
    readonly task: Observers[Observer];
    readonly id: string;
    /** True if the job was already there: its id, or the idempotency or dedupe key of its task, was known. */
    readonly deduplicated: boolean;
    /** The effect of the task's `dedupe`, as for a single enqueue. */
    readonly outcome: EnqueueOutcome;
  };
}[keyof Observers];

/** An action that did not lead to a runnable job. */
export type FailedAction<Observers> = {
  [Observer in keyof Observers]: {
    readonly observer: Observer;
    /** Absent if the condition failed. */
    readonly task?: Observers[Observer];
    /** Present instead of `task` for an action that starts a run. */
    readonly workflow?: string;
    readonly error: Error;
    /**
     * A job that was stored although its payload is invalid; its worker will reject the payload, and the job
     * goes dead.
     */
    readonly jobId?: string;
  };
}[keyof Observers];

/** One workflow run that resulted from an event. */
export interface StartedRunOf<Observer> {
  readonly observer: Observer;
  readonly workflow: string;
  readonly id: string;
  /** True if the run was already there: its id or the workflow's idempotency key was known. */
  readonly deduplicated: boolean;
}

export interface EmitResult<Observers = ObserverTasks> {
  /** The id of the event. */
  readonly id: string;
  /** In the order of observer names and their actions. An observer whose condition does not hold has none. */
  readonly jobs: readonly EmittedJob<Observers>[];
  readonly failed: readonly FailedAction<Observers>[];
  /** The started runs, in no particular order. */
  readonly started: readonly StartedRunOf<keyof Observers>[];
  /** The workflow runs that received the event: those that wait for such an event, or will. */
  readonly runs: readonly string[];
  /** The jobs whose handlers received the event: those that wait for it in `ctx.waitFor`. */
  readonly heardBy: readonly string[];
}

/** The function that codegen emits for an event. */
export interface EmitFunction<Event, Observers> {
  /**
   * Tells all observers of the event, and the runs and handlers that wait for it. When the promise resolves,
   * the jobs are stored and the listeners have received the event.
   * @throws PayloadInvalid before Redis is touched.
   * @throws EmitIncomplete if Redis stored only a part. Emit again under its `eventId`, unless its code is
   *   `IdConflict`: the id of a job is taken.
   * @throws TaskweftError `OptionInvalid`, `NotConnected`, or `IdConflict`: a retained event of that `id`
   *   has another content, and nothing of this one was stored.
   */
  (event: Event, options?: EmitOptions): Promise<EmitResult<Observers>>;
  /** The event's name. */
  readonly event: string;
  /**
   * Replays a retained event (`retention` in its definition) to the current observers. The result lists what
   * this call did.
   * @throws TaskweftError `EventUnknown`: no event of that id is retained.
   * @throws PayloadInvalid if the emitted payload does not fit the event's current schema.
   * @throws EmitIncomplete as for an emit. Replay again under its `eventId`.
   */
  replay(id: string, options?: ReplayOptions<keyof Observers & string>): Promise<EmitResult<Observers>>;
}

/**
 * Redis did not store all jobs of an event; `code` is that of the first failure (`QueueFull`,
 * `RedisUnavailable`, `OutcomeUnknown`, ...), an `IdConflict` last. Emitting the event again under `eventId` stores what is
 * missing, and nothing twice; after an `IdConflict`, the id of a job stays taken.
 */
export class EmitIncomplete extends TaskweftError {
  override readonly name = "EmitIncomplete";
  readonly eventId: string;
  /** The jobs that are stored, and the failed actions. */
  readonly result: EmitResult;

  constructor(
    event: string,
    result: EmitResult,
    first: TaskweftError,
    { kept, operation }: { readonly kept: boolean; readonly operation: Operation },
  ) {
    const { id } = result;
    super(
      first.code,
      `${shortfall(event, result, first, kept)}: ${reasonOf(first)}. ${adviceOf(first, id, operation)}`,
      { operation, cause: first, ...(first.jobId === undefined ? {} : { jobId: first.jobId }) },
    );
    this.eventId = id;
    this.result = result;
  }
}

type Operation = "emit" | "replay";

function adviceOf({ code }: TaskweftError, id: string, operation: Operation): string {
  const isEmit = operation === "emit";
  // The id stays taken, however often it is tried.
  if (code === "IdConflict")
    return `If it has to be, ${isEmit ? "emit the event under another id" : "replay it with { again: true }"}.`;
  const again = isEmit ? `Emit it again with { id: ${JSON.stringify(id)} }` : `Replay ${id}`;
  return `${again}: that stores what is missing, and nothing twice.`;
}

function reasonOf({ code, message, jobId }: TaskweftError): string {
  // The advice about ids in this error is meant for callers that chose an id, which an emit does not.
  if (code === "IdConflict" && jobId !== undefined)
    return `the job ${jobId} is there with another payload (of another event, or of other observers), or was deleted and still has its place in a queue; it is not made again`;
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
