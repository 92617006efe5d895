/**
 * Enqueues that are confirmed beyond the memory of the primary: a batcher on a connection of its own, because the wait for
 * a replica or a disk holds up every call behind it.
 *
 *   add -> (first on each connection: can this Redis do it at all?) -> batcher -> stored -> confirmed, or short of it
 */
import {
  Connection,
  type ConnectionOptions,
  type ServerClock,
  toTaskweftError,
} from "../connection/index.js";
import type { Durability } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import type { EnqueueItem } from "../scripts/index.js";
import { Asks } from "./asks.js";
import { Batcher, fail, type Waiter } from "./batcher.js";

export type ConfirmedDurability = Exclude<Durability, "memory">;

export interface DurableLaneOptions {
  readonly connection: ConnectionOptions;
  readonly keys: ShardKeys;
  readonly client: string;
  readonly clock: ServerClock;
  readonly deadlineMs: number;
  readonly durability: ConfirmedDurability;
  /** As that of a batcher. */
  readonly gate: () => Promise<void> | undefined;
  /** Longest wait for a confirmation (ms). */
  readonly timeoutMs: number;
}

/** How long the answer to a call is remembered (ms); the same as in enqueue.lua. */
const SENT_KEPT_MS = 600_000;

/** Asks Redis for a confirmation of all that this connection wrote; the number of those who gave it. */
type Ask = (timeoutMs: number) => Promise<number>;

export class DurableLane {
  readonly #options: DurableLaneOptions;
  readonly #connection: Connection;
  readonly #batcher: Batcher;
  readonly #asks = new Asks();
  /** How the server of this connection is asked, once that is known. Behind another connection there may be another server. */
  #known: Ask | undefined;
  #probing: Promise<Ask> | undefined;
  /** How often the connection was made anew. */
  #remade = 0;

  constructor(options: DurableLaneOptions) {
    this.#options = options;
    this.#connection = new Connection(options.connection, "durable", options.keys);
    this.#connection.onReconnect(() => {
      this.#remade += 1;
      this.#known = undefined;
    });
    this.#batcher = new Batcher({
      ...options,
      runner: this.#connection,
      lastError: () => this.#connection.lastError,
      confirm: (slot) => this.#confirm(slot),
    });
  }

  /** Nothing is sent to a Redis that cannot confirm it. */
  add(item: EnqueueItem, waiter: Waiter): void {
    this.#supported().then(
      () => this.#batcher.add(item, waiter),
      (error: unknown) => fail(waiter, notSent(error)),
    );
  }

  async drained(): Promise<void> {
    await this.#asks.drained();
    await this.#batcher.drained();
  }

  close(): void {
    this.#connection.disconnect();
  }

  #supported(): Promise<unknown> {
    const { deadlineMs } = this.#options;
    const { redis, address } = this.#connection;
    // While it is away, it may come back as another.
    if (this.#known !== undefined && redis.status === "ready") return Promise.resolve();
    return this.#asks.ask({
      call: () => this.#probe(),
      deadlineMs,
      silent: () =>
        new TaskweftError(
          "RedisUnavailable",
          `expected a Redis at ${address}, got: ${this.#connection.lastError ?? "no answer"}; this job was not sent`,
          { operation: "enqueue" },
        ),
    });
  }

  /** One at a time: the connection keeps what it cannot send, for as long as Redis is away. */
  #probe(): Promise<Ask> {
    this.#probing ??= this.#probeAll().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  async #probeAll(): Promise<Ask> {
    const { redis } = this.#connection;
    for (;;) {
      const before = this.#remade;
      const ask = await (this.#options.durability === "local" ? askDisk(redis) : askReplica(redis));
      if (before !== this.#remade) continue;
      this.#known = ask;
      return ask;
    }
  }

  /**
   * Redis confirms what the asking connection has written. After a reconnect that is nothing, and every server would
   * agree at once; so each question comes behind a write, and counts only if both went over the same connection.
   */
  async #confirm(slot: number): Promise<string | undefined> {
    for (;;) {
      const before = this.#remade;
      const shortfall = await this.#askFor(slot);
      if (before === this.#remade) return shortfall;
    }
  }

  async #askFor(slot: number): Promise<string | undefined> {
    const { keys, client, timeoutMs } = this.#options;
    try {
      const isThere = await this.#connection.redis.pexpire(keys.sent(client, slot), SENT_KEPT_MS);
      // Another primary, to which the call never came.
      if (isThere === 0) return "the Redis that stored it was replaced by one that may not have it";
      const ask = this.#known ?? (await this.#probe());
      return (await ask(timeoutMs)) > 0 ? undefined : this.#missing();
    } catch (error) {
      if (!isRefusal(error)) throw toTaskweftError(error, "enqueue");
      // It was configured otherwise meanwhile, or is another one: the next enqueue finds out before it is sent.
      this.#known = undefined;
      return `Redis cannot confirm it any more: ${error.message}`;
    }
  }

  #missing(): string {
    const { durability, timeoutMs } = this.#options;
    const who = durability === "local" ? "the disk of Redis" : "no replica of Redis";
    return `${who} ${durability === "local" ? "had not" : "had"} confirmed it after ${timeoutMs} ms`;
  }
}

type RedisClient = Connection["redis"];

async function askReplica(redis: RedisClient): Promise<Ask> {
  await supported(redis.wait(0, 1), "durability replicated needs the command WAIT");
  return (timeoutMs) => redis.wait(1, timeoutMs);
}

/** With `appendfsync always` a reply is only sent when the disk has what it answers; else WAITAOF waits for it. */
async function askDisk(redis: RedisClient): Promise<Ask> {
  if (await syncsAlways(redis)) return () => Promise.resolve(1);
  const needs =
    "durability local needs appendonly yes, with appendfsync always or with Redis 7.2 and its command WAITAOF";
  await supported(redis.call("WAITAOF", 1, 0, 1), needs);
  return async (timeoutMs) => Number(((await redis.call("WAITAOF", 1, 0, timeoutMs)) as number[])[0]);
}

async function syncsAlways(redis: RedisClient): Promise<boolean> {
  try {
    const settings = (await redis.config("GET", "append*")) as string[];
    const value = (name: string): string | undefined => settings[settings.indexOf(name) + 1];
    return value("appendonly") === "yes" && value("appendfsync") === "always";
  } catch (error) {
    // Managed servers refuse CONFIG; WAITAOF is then the only way to know.
    if (error instanceof Error && error.name === "ReplyError") return false;
    throw error;
  }
}

/** Whatever else it answers may be otherwise the next time. */
const LACKS = /^ERR unknown command|appendonly is disabled/;

async function supported(probe: Promise<unknown>, needs: string): Promise<void> {
  try {
    await probe;
  } catch (error) {
    const isLack = isRefusal(error) && LACKS.test(error.message);
    throw isLack ? new Unsupported(`${needs}; this Redis says: ${error.message}`) : error;
  }
}

/** Redis cannot confirm what it stores. */
class Unsupported extends Error {
  override readonly name = "Unsupported";
}

function isRefusal(error: unknown): error is Error {
  return error instanceof Unsupported || (error instanceof Error && error.name === "ReplyError");
}

function notSent(error: unknown): TaskweftError {
  if (!(error instanceof Unsupported)) return toTaskweftError(error, "enqueue");
  return new TaskweftError("RedisUnsuitable", `${error.message}. The job was not sent.`, {
    operation: "enqueue",
  });
}
