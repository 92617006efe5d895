/**
 * A producer's connection to Redis: one connection per shard for enqueues, and a second one once a result is
 * awaited. This file only assembles: the batchers send, the result listeners wait, and the router chooses the
 * shard.
 */
import type { CancelledRunState, CancelOutcome } from "../cancel.js";
import { ServerClock, type ConnectionOptions } from "../connection/index.js";
import { type Durability, type Duration, type QueueDefinition, timerMs } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { JobIdMaker, type KeptEvent, randomName, type RunEnd, ShardRouter } from "../protocol/index.js";
import type { EnqueueItem, KeepEventCall, RunToStart, StartedRun, TellCall, Told } from "../scripts/index.js";
import type { Waiter } from "./batcher.js";
import { ClientShard, unreachable } from "./client-shard.js";
import { withDeadline } from "./deadline.js";
import { durationMs, optionInvalid, prefixOption, shardsOption, wholeNumber } from "../option-values.js";
import type { FinishedJob } from "./result-listener.js";

export interface ClientOptions extends ConnectionOptions {
  /** Prefix of every key; separates systems that share a Redis. Default: `TASKWEFT_PREFIX`, else `weft`. */
  readonly prefix?: string | undefined;
  /**
   * Number of shards, 1 to 64; must be the same for all producers and workers. See docs/redis.md. Default:
   * `TASKWEFT_SHARDS`, else 1.
   */
  readonly shards?: number | undefined;
  /** Longest wait for an answer from Redis before a call rejects. Default `30s`. */
  readonly deadline?: Duration;
  /** Longest wait for a replica or the disk to confirm an enqueue, at most `5s`. Default `1s`. */
  readonly durabilityTimeout?: Duration;
}

const DEFAULT_DEADLINE_MS = 30_000;
const DEFAULT_DURABILITY_TIMEOUT_MS = 1000;
/** Must stay below SILENCE_LIMIT_MS (10 s), after which a silent connection is replaced. */
const MAX_DURABILITY_TIMEOUT_MS = 5000;

export class TaskweftClient {
  readonly #shards: readonly ClientShard[];
  readonly #router: ShardRouter;
  readonly #clock = new ServerClock();
  readonly #ids = new JobIdMaker();
  readonly #deadlineMs: number;
  #closed = false;

  /**
   * Connects in the background; `ready()` waits for the connection.
   * @throws TaskweftError `OptionInvalid`.
   */
  constructor(options: ClientOptions = {}) {
    const durabilityTimeoutMs = wholeNumber(
      "durabilityTimeout",
      durationMs("durabilityTimeout", options.durabilityTimeout, DEFAULT_DURABILITY_TIMEOUT_MS),
      1,
      MAX_DURABILITY_TIMEOUT_MS,
    );
    this.#deadlineMs = timerMs(durationMs("deadline", options.deadline, DEFAULT_DEADLINE_MS));
    this.#router = new ShardRouter(shardsOption(options.shards));
    const common = {
      connection: options,
      prefix: prefixOption(options.prefix),
      shards: this.#router.count,
      client: randomName(),
      clock: this.#clock,
      deadlineMs: this.#deadlineMs,
      durabilityTimeoutMs,
    };
    const first = new ClientShard({ ...common, shard: 0, first: undefined });
    const others = Array.from(
      { length: this.#router.count - 1 },
      (_unused, index) => new ClientShard({ ...common, shard: index + 1, first }),
    );
    this.#shards = [first, ...others];
  }

  /**
   * Waits until Redis answers and has been found suitable.
   * @throws TaskweftError `RedisUnavailable` within the deadline, `RedisUnsuitable`, `ProtocolUnknown`,
   *   `ShardsDiffer`.
   */
  async ready(): Promise<this> {
    if (this.#closed) throw closed("connect");
    await Promise.all(this.#shards.map((shard) => shard.ready()));
    return this;
  }

  /**
   * Sends the waiting calls and waits for their answers, at most for the deadline, then closes. Later calls
   * reject with `Closed`.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      const drained = Promise.all(this.#shards.map((shard) => shard.drained()));
      await withDeadline(drained, this.#deadlineMs, () => unreachable(this.#shards[0]!.connection));
    } catch (error) {
      // Without Redis there is nothing to wait for; each waiting enqueue rejects at its own deadline.
      if (!(error instanceof TaskweftError)) throw error;
    }
    this.drop();
  }

  /** @internal Closes at once: for a client that was never handed out. */
  drop(): void {
    this.#closed = true;
    for (const shard of this.#shards) shard.close();
  }

  /** @internal A new job id. */
  nextId(): string {
    return this.#ids.next(this.#clock.now());
  }

  /** @internal The time of Redis (ms). */
  now(): number {
    return this.#clock.now();
  }

  /**
   * @internal The id of a job or run whose key, if it has one, decides its shard: `own` if the caller chose
   *   an id, behind a routing stem if that id alone would lead to another shard.
   */
  idFor(own: string | undefined, key: string): string {
    if (this.#router.count === 1 || key === "") return own ?? this.nextId();
    const shard = this.#router.ofKey(key);
    return own === undefined
      ? this.#router.makeId(shard, () => this.nextId())
      : this.#router.idIn(shard, own);
  }

  /**
   * @internal The id of a run. A chosen id is used unchanged, because the ids of the run's jobs begin with
   *   it.
   * @throws TaskweftError `OptionInvalid`.
   */
  runId(own: string | undefined, key: string): string {
    if (this.#router.count > 1 && own !== undefined && key !== "")
      throw optionInvalid("id", "none beside an idempotency key where there are several shards", own);
    return this.idFor(own, key);
  }

  /**
   * @internal Like `runId` for a derived id: a number may be appended to make the id lead to the shard of
   *   the key.
   */
  derivedRunId(base: string, key: string): string {
    if (this.#router.count === 1 || key === "") return base;
    let tried = 0;
    return this.#router.makeId(this.#router.ofKey(key), () => (tried++ === 0 ? base : `${base}-${tried}`));
  }

  #shardOf(id: string): ClientShard {
    return this.#shards[this.#router.ofId(id)]!;
  }

  /** @internal Hands an item to the batcher of its shard, which answers the waiter. */
  send(item: EnqueueItem, waiter: Waiter, durability: Durability): void {
    if (this.#closed) waiter.failed(closed("enqueue"));
    else this.#shardOf(item.id).send(item, waiter, durability);
  }

  /** @internal Makes a queue known to workers, reapers and the CLI before any worker serves it. */
  registerQueue(queue: QueueDefinition): void {
    if (!this.#closed) for (const shard of this.#shards) shard.registerQueue(queue);
  }

  /** @internal The end of a job, or `undefined` after `timeoutMs`. */
  async finished(id: string, timeoutMs: number): Promise<FinishedJob | undefined> {
    if (this.#closed) throw closed("result");
    return await this.#shardOf(id).listener.wait(id, timeoutMs);
  }

  /** @internal The end of a workflow run, or `undefined` after `timeoutMs`. */
  async runEnded(id: string, timeoutMs: number): Promise<RunEnd | undefined> {
    if (this.#closed) throw closed("result");
    return await this.#shardOf(id).listener.waitForRun(id, timeoutMs);
  }

  /** @internal Stores a run, unless a run with its id or key exists; returns the run that is stored. */
  async startRun(call: RunToStart): Promise<StartedRun> {
    if (this.#closed) throw closed("start");
    return await this.#shardOf(call.run).startRun(call);
  }

  /**
   * @internal Keeps a job from running; it stays readable for `keepDeadMs` unless its record says otherwise.
   */
  async cancelJob(id: string, keepDeadMs: number): Promise<CancelOutcome> {
    if (this.#closed) throw closed("cancel");
    return await this.#shardOf(id).cancelJob(id, keepDeadMs);
  }

  /** @internal Cancels a workflow run. */
  async cancelRun(id: string): Promise<CancelledRunState> {
    if (this.#closed) throw closed("cancel");
    return await this.#shardOf(id).cancelRun(id);
  }

  /**
   * @internal Delivers an event to the runs and jobs that listen for it. `heard` gets those that received it,
   *   also when a shard fails.
   */
  async tell(call: Omit<TellCall, "behind" | "keys">, heard: (told: Told) => void): Promise<void> {
    if (this.#closed) throw closed("emit");
    // Listeners may be in any shard.
    const tellings = this.#shards.map(async (shard) => heard(await shard.tell(call)));
    await Promise.allSettled(tellings);
    await Promise.all(tellings);
  }

  /** @internal Stores an event for its retention. */
  async keepEvent(call: Omit<KeepEventCall, "keys">): Promise<"CONFLICT" | "KEPT"> {
    if (this.#closed) throw closed("emit");
    return await this.#shardOf(call.id).keepEvent(call);
  }

  /** @internal Reads a retained event. */
  async keptEvent(event: string, id: string): Promise<KeptEvent | undefined> {
    if (this.#closed) throw closed("replay");
    return await this.#shardOf(id).keptEvent(event, id);
  }
}

function closed(operation: string): TaskweftError {
  return new TaskweftError("Closed", `the client was closed; make another one for this ${operation}`, {
    operation,
  });
}

/** A client for programs that use several, or that want no hidden state: pass it as `options.client`. */
export function createClient(options: ClientOptions = {}): TaskweftClient {
  return new TaskweftClient(options);
}
