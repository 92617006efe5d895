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
   * The first attempt must start within this time, counted from the enqueue, or from `delay` or `runAt`; else the job goes
   * dead without having run. Default: the definition's; without any it waits for ever.
   */
  readonly startWithin?: Duration;
  /** Retries after the first attempt. Default: the definition's. */
  readonly maxRetries?: number;
  /** How long the finished job stays readable; `0` removes it at once. Default: the definition's. */
  readonly retention?: { readonly completed?: Duration; readonly dead?: Duration };
  /**
   * What the enqueue waits for before it resolves. Default: the definition's, else `memory`. The others cost a round trip to the
   * replica or the disk; enqueues of different durability may overtake each other.
   */
  readonly durability?: Durability;
  /**
   * The job's id, 1 to 128 of `A-Za-z0-9_:-`, without `:end` or `:timeout` at its end. Default: made by the client. Enqueuing the same id again while the job is stored gives the
   * stored job, also after a deploy that has changed its task. With another task, payload, `maxRetries`, `timeout` or `retention` it fails
   * with `IdConflict`; of the other options the first enqueue decides.
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
   * @throws TaskweftError with code `OptionInvalid`, `QueueUnknown`, `NotConnected`, `RedisUnavailable`, `RedisFull`, `QueueFull`, `Draining`, `IdConflict`, `OutcomeUnknown` or `DurabilityNotReached`.
   */
  (payload: Payload, options?: EnqueueOptions<Queue>): Promise<JobHandle<Result>>;
  /**
   * Validates all, then enqueues all; nothing is sent if one payload is invalid. Order is kept. Rejects with the first
   * failure; jobs of the same call that were stored before it stay stored.
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
  /** `stored`: a new job. `existing`: one that was there, unchanged. `replaced`: one that was there, with this payload from now on. */
  readonly outcome: EnqueueOutcome;
  /**
   * Waits for the job to finish and gives its result. `timeout`: default `30s`.
   * @throws TaskweftError with code `JobDead`, `JobCancelled`, `TimedOut`, `ResultNotKept` or `JobNotFound`.
   */
  result(options?: { readonly timeout?: Duration }): Promise<Result>;
  /**
   * Keeps the job from running, as `weft jobs cancel` does: one that waits is `cancelled` at once and stays readable for `retention.dead`;
   * of one that runs it is `requested`, and its worker aborts `ctx.signal`. It may have ended before its worker hears of it.
   * @throws TaskweftError with code `StateConflict` when it has ended already, `JobNotFound`, or `OutcomeUnknown`: call it again.
   */
  cancel(): Promise<CancelOutcome>;
}
