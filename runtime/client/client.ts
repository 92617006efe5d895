/**
 * A producer's door to Redis: one connection for enqueues, a second one only once somebody awaits a result.
 * Assembly only; the batcher sends, the result listener waits.
 */
import { Connection, ServerClock, assertSuitable, type ConnectionOptions } from "../connection/index.js";
import type { Durability, Duration, QueueDefinition } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { DEFAULT_PREFIX, JobIdMaker, type RunEnd, ShardKeys, randomName } from "../protocol/index.js";
import {
  type EnqueueItem,
  startRun,
  type StartRunCall,
  type StartedRun,
  type TellRunsCall,
} from "../scripts/index.js";
import { Batcher, type Waiter } from "./batcher.js";
import { withDeadline } from "./deadline.js";
import { type ConfirmedDurability, DurableLane } from "./durable-lane.js";
import { durationMs, prefixOption, wholeNumber } from "../option-values.js";
import { tellAllRuns } from "./tell-runs.js";
import { ResultListener, type FinishedJob } from "./result-listener.js";

export interface ClientOptions extends ConnectionOptions {
  /** First part of every key; separates systems that share a Redis. Default `weft`. */
  readonly prefix?: string;
  /** Longest wait for an answer of Redis before a call rejects. Default `30s`. */
  readonly deadline?: Duration;
  /** Longest wait for a replica or the disk to confirm an enqueue of that durability, at most `5s`. Default `1s`. */
  readonly durabilityTimeout?: Duration;
}

const DEFAULT_DEADLINE_MS = 30_000;
const DEFAULT_DURABILITY_TIMEOUT_MS = 1000;
/** Below the silence after which a connection is made anew. */
const MAX_DURABILITY_TIMEOUT_MS = 5000;

export class TaskweftClient {
  readonly #connection: Connection;
  readonly #keys: ShardKeys;
  readonly #clock = new ServerClock();
  readonly #ids = new JobIdMaker();
  readonly #name = randomName();
  readonly #deadlineMs: number;
  readonly #batcher: Batcher;
  readonly #listener: ResultListener;
  readonly #options: ClientOptions;
  readonly #durabilityTimeoutMs: number;
  /** By durability; most clients have none. */
  readonly #durable = new Map<ConfirmedDurability, DurableLane>();
  readonly #registered = new Set<string>();
  #closed = false;

  /** @throws TaskweftError `OptionInvalid`. Connects in the background; `ready()` waits for it. */
  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#durabilityTimeoutMs = wholeNumber(
      "durabilityTimeout",
      durationMs("durabilityTimeout", options.durabilityTimeout, DEFAULT_DURABILITY_TIMEOUT_MS),
      1,
      MAX_DURABILITY_TIMEOUT_MS,
    );
    this.#deadlineMs = durationMs("deadline", options.deadline, DEFAULT_DEADLINE_MS);
    this.#keys = new ShardKeys(prefixOption(options.prefix ?? DEFAULT_PREFIX));
    this.#connection = new Connection(options, "client", this.#keys);
    this.#batcher = new Batcher({
      runner: this.#connection,
      keys: this.#keys,
      client: this.#name,
      clock: this.#clock,
      deadlineMs: this.#deadlineMs,
      lastError: () => this.#connection.lastError,
    });
    this.#listener = new ResultListener(this.#connection, options, this.#keys, this.#name);
  }

  /**
   * Waits until Redis answers and has been found suitable.
   * @throws TaskweftError `RedisUnavailable` within the deadline, `RedisUnsuitable`, `ProtocolUnknown`.
   */
  async ready(): Promise<this> {
    if (this.#closed) throw closed("connect");
    await withDeadline(assertSuitable(this.#connection.redis, this.#keys), this.#deadlineMs, () =>
      this.#unreachable(),
    );
    return this;
  }

  /** Sends what waits, at most for the deadline, then closes. Calls made afterwards reject with `Closed`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      const lanes = [...this.#durable.values()];
      const drained = Promise.all([this.#batcher.drained(), ...lanes.map((lane) => lane.drained())]);
      await withDeadline(drained, this.#deadlineMs, () => this.#unreachable());
    } catch (error) {
      // Without Redis there is nothing to wait for; who waits for an enqueue has been told by its own deadline.
      if (!(error instanceof TaskweftError)) throw error;
    }
    this.#listener.close();
    for (const lane of this.#durable.values()) lane.close();
    this.#connection.disconnect();
  }

  /** @internal A new job id. */
  nextId(): string {
    return this.#ids.next(this.#clock.now());
  }

  /** @internal Time of Redis (ms). */
  now(): number {
    return this.#clock.now();
  }

  /** @internal Hands an item to the batcher, which answers its waiter. */
  send(item: EnqueueItem, waiter: Waiter, durability: Durability): void {
    if (this.#closed) waiter.failed(closed("enqueue"));
    else if (durability === "memory") this.#batcher.add(item, waiter);
    else this.#lane(durability).add(item, waiter);
  }

  #lane(durability: ConfirmedDurability): DurableLane {
    let lane = this.#durable.get(durability);
    if (lane === undefined) {
      lane = new DurableLane({
        connection: this.#options,
        keys: this.#keys,
        // Calls are numbered by client and slot, and each lane numbers its own.
        client: randomName(),
        clock: this.#clock,
        deadlineMs: this.#deadlineMs,
        durability,
        timeoutMs: this.#durabilityTimeoutMs,
      });
      this.#durable.set(durability, lane);
    }
    return lane;
  }

  /**
   * @internal Makes a queue known to workers, reapers and the CLI, also before any worker serves it. Sent ahead of its
   * first job and not waited for: one connection keeps the order, and a wait here would let later jobs overtake.
   */
  registerQueue(queue: QueueDefinition): void {
    if (this.#registered.has(queue.name) || this.#closed) return;
    this.#registered.add(queue.name);
    this.#connection.redis
      .hsetnx(this.#keys.meta, `queue:${queue.name}`, queue.weight)
      .catch(() => this.#registered.delete(queue.name)); // The next job tries again; this one reports its own failure.
  }

  /** @internal The end of a job, or `undefined` after `timeoutMs`. */
  async finished(id: string, timeoutMs: number): Promise<FinishedJob | undefined> {
    if (this.#closed) throw closed("result");
    return await this.#listener.wait(id, timeoutMs);
  }

  /** @internal The end of a workflow run, or `undefined` after `timeoutMs`. */
  async runEnded(id: string, timeoutMs: number): Promise<RunEnd | undefined> {
    if (this.#closed) throw closed("result");
    return await this.#listener.waitForRun(id, timeoutMs);
  }

  /** @internal Stores a run, unless there is one of its id or key; the run that there is. */
  async startRun(call: Omit<StartRunCall, "keys">): Promise<StartedRun> {
    if (this.#closed) throw closed("start");
    const { address, lastError } = this.#connection;
    return await withDeadline(
      startRun(this.#connection, { keys: this.#keys, ...call }),
      this.#deadlineMs,
      () =>
        new TaskweftError(
          "OutcomeUnknown",
          `Redis at ${address} did not answer within ${this.#deadlineMs} ms${lastError === undefined ? "" : ` (${lastError})`}; the run ${call.run} may or may not be stored. Start it again under this id.`,
          { operation: "start", jobId: call.run },
        ),
    );
  }

  /** @internal Tells the runs that listen to an event; the runs that have heard of it. */
  async tellRuns(call: Omit<TellRunsCall, "behind" | "keys">): Promise<readonly string[]> {
    if (this.#closed) throw closed("emit");
    return await withDeadline(tellAllRuns(this.#connection, this.#keys, call), this.#deadlineMs, () =>
      this.#unreachable(),
    );
  }

  #unreachable(): TaskweftError {
    const { address, lastError: reason = "no answer" } = this.#connection;
    return new TaskweftError(
      "RedisUnavailable",
      `expected a Redis at ${address}, got: ${reason}. Start it, or set TASKWEFT_REDIS_URL.`,
      // Not the error itself: ioredis hangs the failed command on it, and that of AUTH holds the password.
      { operation: "connect", cause: new Error(reason) },
    );
  }
}

function closed(operation: string): TaskweftError {
  return new TaskweftError("Closed", `the client was closed; make another one for this ${operation}`, {
    operation,
  });
}

/** A client for programs that hold several, or that want no hidden state: pass it as `options.client`. */
export function createClient(options: ClientOptions = {}): TaskweftClient {
  return new TaskweftClient(options);
}
