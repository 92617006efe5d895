/**
 * A client's part in one shard: a connection for enqueues, one per confirmed durability in use, and the
 * result listener.
 */
import { type CancelledRunState, type CancelOutcome, cancelJob, cancelRun } from "../cancel.js";
import {
  assertSuitable,
  Connection,
  type ConnectionOptions,
  isJoined,
  joinShard,
  type ServerClock,
} from "../connection/index.js";
import type { Durability, QueueDefinition } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { eventField, type KeptEvent, parseKeptEvent, randomName, ShardKeys } from "../protocol/index.js";
import {
  type EnqueueItem,
  keepEvent,
  type KeepEventCall,
  MOST_CALL_CHARACTERS,
  type RunToStart,
  type StartedRun,
  startRuns,
  type TellCall,
  Together,
  type Told,
} from "../scripts/index.js";
import { Asks } from "./asks.js";
import { Batcher, type Waiter } from "./batcher.js";
import { type ConfirmedDurability, DurableLane } from "./durable-lane.js";
import { ResultListener } from "./result-listener.js";
import { tellAll } from "./tell.js";

/** Most runs in one call of `start-run`; `sizeOfStart` limits their characters. */
const MAX_STARTS = 64;

export interface ClientShardOptions {
  readonly connection: ConnectionOptions;
  readonly prefix: string;
  readonly shard: number;
  /** Number of shards of the system. */
  readonly shards: number;
  /**
   * The first shard, which confirms the number of shards when this shard is new: a shard beyond the real
   * number is empty and would accept any number.
   */
  readonly first: ClientShard | undefined;
  readonly client: string;
  readonly clock: ServerClock;
  readonly deadlineMs: number;
  readonly durabilityTimeoutMs: number;
}

/** Texts for a call that was not answered in time. */
interface About {
  readonly operation: string;
  readonly jobId?: string;
  /** Text if the call was sent. Absent for a read, whose outcome does not matter. */
  readonly unknown?: string;
  readonly unsent: string;
}

export class ClientShard {
  readonly connection: Connection;
  readonly listener: ResultListener;
  readonly #options: ClientShardOptions;
  readonly #keys: ShardKeys;
  readonly #batcher: Batcher;
  readonly #starts: Together<RunToStart, StartedRun>;
  /** One lane per durability; most clients have none. */
  readonly #durable = new Map<ConfirmedDurability, DurableLane>();
  readonly #registered = new Set<string>();
  readonly #asks = new Asks();
  #joining: Promise<void> | undefined;
  #joined = false;

  constructor(options: ClientShardOptions) {
    const { client, clock, deadlineMs } = options;
    this.#options = options;
    this.#keys = new ShardKeys(options.prefix, options.shard);
    this.connection = new Connection(options.connection, "client", this.#keys);
    this.#batcher = new Batcher({
      runner: this.connection,
      keys: this.#keys,
      client,
      clock,
      deadlineMs,
      lastError: () => this.connection.lastError,
      gate: () => this.gate(),
    });
    this.#starts = new Together({
      send: (starts) => startRuns(this.connection, { keys: this.#keys, starts }),
      mostItems: MAX_STARTS,
      sizeOf: sizeOfStart,
      mostSize: MOST_CALL_CHARACTERS,
    });
    this.listener = new ResultListener(this.connection, options.connection, this.#keys, client);
  }

  /**
   * @throws TaskweftError `RedisUnavailable` within the deadline, `RedisUnsuitable`, `ProtocolUnknown`,
   *   `ShardsDiffer`.
   */
  async ready(): Promise<void> {
    const { deadlineMs, shards } = this.#options;
    await this.#asks.ask({
      gate: () => this.#agreed(),
      call: () => assertSuitable(this.connection.redis, this.#keys, shards),
      deadlineMs,
      silent: () => unreachable(this.connection),
    });
    this.#joined = true;
  }

  /**
   * What the first call waits for: the check that this shard agrees with the client's number of shards.
   * `undefined` once it has passed.
   */
  gate(): Promise<void> | undefined {
    if (this.#joined) return undefined;
    this.#joining ??= this.#join().catch((error: unknown) => {
      // The next call checks again.
      this.#joining = undefined;
      throw error;
    });
    return this.#joining;
  }

  /**
   * Lets the first shard confirm the number of shards if this shard is new. That shard may be down while this
   * one is up.
   */
  async #agreed(): Promise<void> {
    const { first } = this.#options;
    if (first !== undefined && !(await isJoined(this.connection.redis, this.#keys))) await first.gate();
  }

  async #join(): Promise<void> {
    const { shards } = this.#options;
    await this.#agreed();
    await joinShard(this.connection.redis, this.#keys, shards);
    this.#joined = true;
  }

  send(item: EnqueueItem, waiter: Waiter, durability: Durability): void {
    if (durability === "memory") this.#batcher.add(item, waiter);
    else this.#lane(durability).add(item, waiter);
  }

  #lane(durability: ConfirmedDurability): DurableLane {
    let lane = this.#durable.get(durability);
    if (lane === undefined) {
      const { connection, clock, deadlineMs, durabilityTimeoutMs } = this.#options;
      lane = new DurableLane({
        connection,
        keys: this.#keys,
        // The script numbers calls by client and slot, and each lane has its own slots, so it needs its own
        // client name.
        client: randomName(),
        clock,
        deadlineMs,
        durability,
        timeoutMs: durabilityTimeoutMs,
        gate: () => this.gate(),
      });
      this.#durable.set(durability, lane);
    }
    return lane;
  }

  /**
   * Sent ahead of the queue's first job and not awaited: the connection keeps the order, and a wait here
   * would let later jobs overtake.
   */
  registerQueue(queue: QueueDefinition): void {
    if (this.#registered.has(queue.name)) return;
    this.#registered.add(queue.name);
    const register = (): Promise<unknown> =>
      this.connection.redis.hsetnx(this.#keys.meta, `queue:${queue.name}`, queue.weight);
    const gate = this.gate();
    (gate === undefined ? register() : gate.then(register)).catch(() => {
      // The next job of the queue tries again; this job's own enqueue reports the failure.
      this.#registered.delete(queue.name);
    });
  }

  startRun(start: RunToStart): Promise<StartedRun> {
    const { run } = start;
    return this.#ask(
      {
        operation: "start",
        jobId: run,
        unknown: `the run ${run} may or may not be stored. Start it again under this id`,
        unsent: `the run ${run} was not sent. Start it again when Redis is back`,
      },
      () => this.#starts.ask(start),
    );
  }

  cancelJob(id: string, keepDeadMs: number): Promise<CancelOutcome> {
    return this.#cancel(`job ${id}`, id, () => cancelJob(this.connection, this.#keys, id, () => keepDeadMs));
  }

  cancelRun(id: string): Promise<CancelledRunState> {
    return this.#cancel(`run ${id}`, id, () => cancelRun(this.connection, this.#keys, id));
  }

  #cancel<Reply>(what: string, jobId: string, call: () => Promise<Reply>): Promise<Reply> {
    const unknown = `the ${what} may or may not be cancelled. Cancel it again`;
    const unsent = `the cancel of the ${what} was not sent. Cancel it again when Redis is back`;
    return this.#ask({ operation: "cancel", jobId, unknown, unsent }, call);
  }

  /** Delivers an event; returns the runs and jobs that received it. */
  tell(call: Omit<TellCall, "behind" | "keys">): Promise<Told> {
    return this.#ask(
      {
        operation: "emit",
        unknown: "who waits for the event may or may not have heard of it",
        unsent: "who waits for the event was not told",
      },
      () => tellAll(this.connection, this.#keys, call),
    );
  }

  keepEvent(call: Omit<KeepEventCall, "keys">): Promise<"CONFLICT" | "KEPT"> {
    return this.#ask(
      {
        operation: "emit",
        unknown: "the event may or may not be kept",
        unsent: "the event was not sent",
      },
      () => keepEvent(this.connection, { keys: this.#keys, ...call }),
    );
  }

  keptEvent(event: string, id: string): Promise<KeptEvent | undefined> {
    const unsent = `the event ${id} could not be read. Replay it when Redis is back`;
    return this.#ask({ operation: "replay", unsent }, async () => {
      const text = await this.connection.readEvent(this.#keys, eventField(event, id));
      return text === null ? undefined : parseKeptEvent(text);
    });
  }

  #ask<Reply>(about: About, call: () => Promise<Reply>): Promise<Reply> {
    const { deadlineMs } = this.#options;
    return this.#asks.ask({
      gate: () => this.gate(),
      call,
      deadlineMs,
      silent: (isSent) => this.#silent(about, isSent),
    });
  }

  #silent({ operation, unknown, unsent, jobId }: About, isSent: boolean): TaskweftError {
    const { address, lastError } = this.connection;
    const reason = lastError === undefined ? "" : ` (${lastError})`;
    const silence = `Redis at ${address} did not answer within ${this.#options.deadlineMs} ms${reason}`;
    const named = jobId === undefined ? { operation } : { operation, jobId };
    return isSent && unknown !== undefined
      ? new TaskweftError("OutcomeUnknown", `${silence}; ${unknown}.`, named)
      : new TaskweftError("RedisUnavailable", `${silence}; ${unsent}.`, named);
  }

  /** Resolves when every call has been answered. */
  async drained(): Promise<void> {
    await Promise.all([
      this.#asks.drained(),
      this.#batcher.drained(),
      ...[...this.#durable.values()].map((lane) => lane.drained()),
    ]);
  }

  close(): void {
    this.listener.close();
    for (const lane of this.#durable.values()) lane.close();
    this.connection.disconnect();
  }
}

export function unreachable({ address, lastError: reason = "no answer" }: Connection): TaskweftError {
  return new TaskweftError(
    "RedisUnavailable",
    `expected a Redis at ${address}, got: ${reason}. Start it, or set TASKWEFT_REDIS_URL.`,
    // Not the error itself: ioredis attaches the failed command to it, and that of AUTH contains the
    // password.
    { operation: "connect", cause: new Error(reason) },
  );
}

function sizeOfStart({ record, begins }: RunToStart): number {
  return begins.reduce((sum, begin) => sum + begin.record.length, record.length);
}
