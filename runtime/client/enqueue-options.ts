import type { CancelOutcome } from "../cancel.js";
import type { Durability, Duration } from "../definition/index.js";
import type { TaskweftClient } from "./client.js";

/** Per-enqueue overrides of what the definition says. */
export interface EnqueueOptions<Queue extends string = string> {
  /** The client to use. Default: the one made by `connect()`. */
  readonly client?: TaskweftClient;
  /** Wait at least this long before the first attempt. Excludes `runAt`; neither is for tasks that debounce. */
  readonly delay?: Duration;
  /** Not before this time (`Date`, or milliseconds since the epoch). Excludes `delay`. */
  readonly runAt?: Date | number;
  /** Another queue. Default: the definition's. */
  readonly queue?: Queue;
  /** Longest run of one attempt. Default: the definition's. */
  readonly timeout?: Duration;
  /**
   * The first attempt must start within this time, counted from the enqueue, or from `delay` or `runAt`; otherwise
   * the job goes dead without having run. Default: the definition's; without one the job waits for ever.
   */
  readonly startWithin?: Duration;
  /** Retries after the first attempt. Default: the definition's. */
  readonly maxRetries?: number;
  /** How long the finished job stays readable; `0` removes it at once. Default: the definition's. */
  readonly retention?: { readonly completed?: Duration; readonly dead?: Duration };
  /**
   * What the enqueue waits for before it resolves. Default: the definition's, else `memory`. `local` and
   * `replicated` also wait for the disk or the replica. Enqueues of different durability may overtake each other.
   */
  readonly durability?: Durability;
  /**
   * The job's id: 1 to 128 of `A-Za-z0-9_:-`, not ending in `:end` or `:timeout`. Default: made by the client.
   * Enqueuing the same id again while the job is stored returns the stored job, even after a deploy that has
   * changed its task. With another task, payload, `maxRetries`, `timeout` or `retention` it fails with
   * `IdConflict`; for the other options, those of the first enqueue count.
   */
  readonly id?: string;
  /** Overrides the key that the definition computes from the payload. Only for tasks that declare `idempotency`. */
  readonly idempotencyKey?: string;
}

/** The function that codegen emits for a task. */
export interface EnqueueFunction<Payload, Result, Queue extends string = string> {
  /**
   * Validates and enqueues one job.
   * @throws PayloadInvalid before Redis is touched.
   * @throws TaskweftError `OptionInvalid`, `QueueUnknown`, `NotConnected`, `Closed`, `RedisUnavailable`,
   *   `RedisFull`, `QueueFull`, `Draining`, `IdConflict`, `OutcomeUnknown` or `DurabilityNotReached`.
   */
  (payload: Payload, options?: EnqueueOptions<Queue>): Promise<JobHandle<Result>>;
  /**
   * Validates all payloads, then enqueues all jobs in their order; nothing is sent if one payload is invalid.
   * Rejects with the first failure; jobs of the same call that were stored before it stay stored.
   * @throws what an enqueue of one job throws.
   */
  many(
    payloads: readonly Payload[],
    options?: Omit<EnqueueOptions<Queue>, "id" | "idempotencyKey">,
  ): Promise<readonly JobHandle<Result>[]>;
}

export type EnqueueOutcome = "stored" | "existing" | "replaced";

/** What an enqueue gives back. */
export interface JobHandle<Result = unknown> {
  readonly id: string;
  /** True when the id, the idempotency key or the dedupe key was known: this is the job that was already there. */
  readonly deduplicated: boolean;
  /** `stored`: a new job. `existing`: a job that was there, unchanged. `replaced`: that job, with this payload now. */
  readonly outcome: EnqueueOutcome;
  /**
   * Waits for the job to finish and gives its result. `timeout`: default `30s`.
   * @throws TaskweftError with code `JobDead`, `JobCancelled`, `TimedOut`, `ResultNotKept` or `JobNotFound`.
   */
  result(options?: { readonly timeout?: Duration }): Promise<Result>;
  /**
   * Cancels the job, as `weft jobs cancel` does. A waiting job is `cancelled` at once and stays readable for
   * `retention.dead`. For a running job the cancel is `requested`, and its worker aborts `ctx.signal`; the job
   * may have ended by then.
   * @throws TaskweftError `StateConflict` if it has ended already, `JobNotFound`, or `OutcomeUnknown`: call it again.
   */
  cancel(): Promise<CancelOutcome>;
}
