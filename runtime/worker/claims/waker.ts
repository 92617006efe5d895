/**
 * Makes an idle worker look for jobs: at once when a hint arrives (a blocking pop on a connection of its
 * own), and when the next known job is due (a local timer, because Redis checks the timeout of a blocking pop
 * only ten times a second). A hint may be lost with the process that popped it; then heartbeats find the job
 * (lease-keeper).
 */
import { setTimeout as delay } from "node:timers/promises";
import { Connection, type ConnectionOptions } from "../../connection/index.js";
import { timerMs } from "../../definition/index.js";
import type { ShardKeys } from "../../protocol/index.js";
import type { Fetcher } from "./fetcher.js";
import { leaveHint } from "./hints.js";
import type { Logger } from "../handler.js";

/** A blocking pop returns this often, which shows that its connection is alive. */
const POP_SECONDS = 15;
/** A connection that has not answered for this long is replaced (ms). */
const SILENCE_LIMIT_MS = 20_000;
/** Waking up a little late is better than too early, which would cost a second look. */
const DUE_MARGIN_MS = 1;
const ERROR_PAUSE_MS = 250;
const CLOSE_LIMIT_MS = 1000;

export interface WakerPorts {
  readonly keys: ShardKeys;
  /** Names of the queues whose hints are awaited. */
  readonly queues: readonly string[];
  readonly fetcher: Pick<Fetcher, "hinted" | "taker">;
  /** The connection was lost and is there again. */
  readonly reconnected: () => void;
  /** Whether no other part uses the slots of this worker. */
  readonly isAlone: boolean;
  /** True while this worker can start nothing. */
  readonly full: () => boolean;
  readonly logger: Logger;
}

export class Waker {
  readonly #connection: Connection;
  readonly #ports: WakerPorts;
  readonly #wakeKeys: readonly string[];
  readonly #popSeconds: number;
  #blocking = false;
  /** The latest pop has brought a hint. Without hints, a take behind the pop would be wasted. */
  #lively = true;
  #closed: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;

  constructor(options: ConnectionOptions, ports: WakerPorts) {
    const { socketTimeout = SILENCE_LIMIT_MS } = options.redis ?? {};
    this.#popSeconds = Math.min(POP_SECONDS, (0.75 * (socketTimeout || SILENCE_LIMIT_MS)) / 1000);
    this.#connection = new Connection(
      { ...options, redis: { ...options.redis, socketTimeout } },
      "waker",
      ports.keys,
    );
    // On the broken connection, the server may have popped a hint and claimed a job.
    this.#connection.onReconnect(ports.reconnected);
    this.#ports = ports;
    this.#wakeKeys = ports.queues.map((queue) => ports.keys.queue(queue).wake);
  }

  /** Starts waiting; may be called again meanwhile with an earlier due time. */
  wait(nextDueMs: number): void {
    if (this.#closed !== undefined) return;
    if (nextDueMs >= 0) this.#alarm(nextDueMs + DUE_MARGIN_MS);
    if (!this.#blocking) void this.#block();
  }

  /** Resolves once Redis has closed the connection and cannot claim a job for this worker any more. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    const { redis } = this.#connection;
    // Not `events.once`, which would reject with the error that ends the connection.
    const ended = new Promise<void>((resolve) => {
      if (redis.status === "end") resolve();
      else redis.once("end", () => resolve());
    });
    this.#connection.disconnect();
    await Promise.race([ended, delay(CLOSE_LIMIT_MS, undefined, { ref: false })]);
  }

  #alarm(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => {
      this.#timerAt = Infinity;
      this.#ports.fetcher.hinted();
    }, timerMs(ms));
  }

  async #block(): Promise<void> {
    const { fetcher, full, logger } = this.#ports;
    this.#blocking = true;
    let isDone = false;
    try {
      let hint: [string, string] | null = null;
      while (hint === null && !isDone && this.#closed === undefined) [hint, isDone] = await this.#pop();
      // A due job may have filled this worker during its blocking pop; the hint is meant for a worker that
      // sleeps.
      if (hint !== null && !isDone && full()) await leaveHint(this.#connection, hint[0]);
    } catch (error) {
      if (this.#closed === undefined) {
        logger.warn("waiting for work failed; polling instead", { error });
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
    this.#blocking = false;
    if (this.#closed === undefined && !isDone) fetcher.hinted();
  }

  /**
   * Redis holds commands that follow a blocking pop until the pop has ended, so the job arrives together with
   * its hint.
   */
  async #pop(): Promise<[hint: [string, string] | null, isDone: boolean]> {
    const { fetcher, isAlone, queues } = this.#ports;
    const connection = this.#connection;
    // A job that becomes due during the pop may block the loop, and a job that this call claims would then
    // wait behind it.
    const isUndisturbed = this.#timerAt - performance.now() > this.#popSeconds * 1000;
    const takes = isAlone && this.#lively && isUndisturbed && fetcher.taker.mayTake;
    const [hint, isDone] = await Promise.all(
      connection.together(() => [
        connection.redis.blpop([...this.#wakeKeys], this.#popSeconds),
        takes ? fetcher.taker.take(connection, queues) : Promise.resolve(false),
      ]),
    );
    this.#lively = hint !== null;
    return [hint, isDone];
  }
}
