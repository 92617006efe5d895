/**
 * Enqueues that must be confirmed by a replica or the disk. They have a batcher on a connection of its own,
 * because waiting for a confirmation holds up every call behind it.
 *
 *   add -> (first on each connection: can this Redis confirm at all?) -> batcher -> stored -> confirmed, or
 *   not reached
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
  /** As the gate of a batcher. */
  readonly gate: () => Promise<void> | undefined;
  /** Longest wait for a confirmation (ms). */
  readonly timeoutMs: number;
}

/** How long the answer to a call is remembered (ms); must equal the value in enqueue.lua. */
const SENT_KEPT_MS = 600_000;

/** Asks Redis to confirm everything that this connection wrote; resolves to the number of confirmations. */
type Ask = (timeoutMs: number) => Promise<number>;

export class DurableLane {
  readonly #options: DurableLaneOptions;
  readonly #connection: Connection;
  readonly #batcher: Batcher;
  readonly #asks = new Asks();
  /**
   * How to ask the server of this connection, once known. After a reconnect the server may be a different
   * one.
   */
  #known: Ask | undefined;
  #probing: Promise<Ask> | undefined;

  constructor(options: DurableLaneOptions) {
    this.#options = options;
    this.#connection = new Connection(options.connection, "durable", options.keys);
    this.#connection.onReconnect(() => {
      this.#known = undefined;
    });
    this.#batcher = new Batcher({
      ...options,
      runner: this.#connection,
      lastError: () => this.#connection.lastError,
      confirm: (slot, call) => this.#confirm(slot, call),
    });
  }

  /** Enqueues only once it is known that this Redis can confirm. */
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
    // While disconnected, probe again: the server that comes back may be a different one.
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

  /** Only one probe at a time: the connection buffers what it cannot send while Redis is away. */
  #probe(): Promise<Ask> {
    this.#probing ??= this.#probeAll().finally(() => {
      this.#probing = undefined;
    });
    return this.#probing;
  }

  async #probeAll(): Promise<Ask> {
    const { redis } = this.#connection;
    for (;;) {
      const before = this.#connection.remade;
      const ask = await (this.#options.durability === "local" ? askDisk(redis) : askReplica(redis));
      if (before !== this.#connection.remade) continue;
      this.#known = ask;
      return ask;
    }
  }

  /**
   * Redis confirms what the asking connection has written. After a reconnect that is nothing, so any server
   * would confirm at once. Hence each question follows a write, which also tells whether this server has the
   * call, and counts only if both used the same connection.
   */
  async #confirm(slot: number, call: number): Promise<string | undefined> {
    for (;;) {
      const before = this.#connection.remade;
      const shortfall = await this.#askFor(slot, call);
      if (before === this.#connection.remade) return shortfall;
    }
  }

  async #askFor(slot: number, call: number): Promise<string | undefined> {
    const { keys, client, timeoutMs } = this.#options;
    try {
      const last = await this.#connection.redis.getex(keys.sent(client, slot), "PX", SENT_KEPT_MS);
      // Another call is the last of the slot, or none: this is another primary that never got this one.
      if (Number.parseInt(last ?? "", 10) !== call)
        return "the Redis that stored it was replaced by one that may not have it";
      const ask = this.#known ?? (await this.#probe());
      return (await ask(timeoutMs)) > 0 ? undefined : this.#missing();
    } catch (error) {
      if (!isRefusal(error)) throw toTaskweftError(error, "enqueue");
      // The server was reconfigured or replaced: the next enqueue probes it before it is sent.
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

/**
 * With `appendfsync always` Redis replies only after the disk has the write; otherwise WAITAOF waits for
 * that.
 */
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
    // Managed servers refuse CONFIG; then only WAITAOF can tell.
    if (error instanceof Error && error.name === "ReplyError") return false;
    throw error;
  }
}

/** Replies that prove a missing feature. Any other error may be temporary. */
const LACKS = /^ERR unknown command|appendonly is disabled/;

async function supported(probe: Promise<unknown>, needs: string): Promise<void> {
  try {
    await probe;
  } catch (error) {
    const isLack = isRefusal(error) && LACKS.test(error.message);
    throw isLack ? new Unsupported(`${needs}; this Redis says: ${error.message}`) : error;
  }
}

/** This Redis cannot give the requested confirmation. */
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
