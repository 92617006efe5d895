/**
 * Makes an idle worker look again: at once when a hint arrives (a blocking pop on its own connection), and when the next
 * known job is due (a local timer; Redis checks the time-out of a blocking pop only ten times a second). A hint may die with
 * the process that popped it: what nobody was told of, heartbeats find (lease-keeper).
 */
import { Connection, type ConnectionOptions } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import type { Logger } from "./handler.js";

/** A blocking pop comes back so often, which shows that its connection lives. */
const POP_SECONDS = 15;
/** After so long without an answer the connection is made anew (ms). */
const SILENCE_LIMIT_MS = 20_000;
/** A due time is met a little late rather than too early, which would cost a second look. */
const DUE_MARGIN_MS = 1;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const ERROR_PAUSE_MS = 250;

export interface WakerPorts {
  readonly keys: ShardKeys;
  readonly wakeKeys: readonly string[];
  /** Look again. */
  readonly wake: () => void;
  /** True while this worker can start nothing. */
  readonly full: () => boolean;
  readonly logger: Logger;
}

export class Waker {
  readonly #connection: Connection;
  readonly #wakeKeys: readonly string[];
  readonly #wake: () => void;
  readonly #full: () => boolean;
  readonly #logger: Logger;
  readonly #popSeconds: number;
  #blocking = false;
  #closed = false;
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
    // The server may have popped a hint for the connection that broke.
    this.#connection.onReconnect(() => ports.wake());
    this.#wakeKeys = ports.wakeKeys;
    this.#wake = ports.wake;
    this.#full = ports.full;
    this.#logger = ports.logger;
  }

  /** Starts waiting; may be called again while it waits, with a nearer due time. */
  wait(nextDueMs: number): void {
    if (this.#closed) return;
    if (nextDueMs >= 0) this.#alarm(nextDueMs + DUE_MARGIN_MS);
    if (!this.#blocking) void this.#block();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection.disconnect();
  }

  #alarm(ms: number): void {
    const at = performance.now() + ms;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Infinity;
        this.#wake();
      },
      Math.min(ms, LONGEST_TIMER_MS),
    );
  }

  async #block(): Promise<void> {
    this.#blocking = true;
    try {
      let hint: [string, string] | null = null;
      while (hint === null && !this.#closed)
        hint = await this.#connection.redis.blpop([...this.#wakeKeys], this.#popSeconds);
      if (hint !== null && this.#full()) await this.#passOn(hint[0]);
    } catch (error) {
      if (!this.#closed) {
        this.#logger.warn("waiting for work failed; polling instead", { error });
        await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
      }
    }
    this.#blocking = false;
    if (!this.#closed) this.#wake();
  }

  /** A due time may have filled this worker while its blocking pop went on: the hint is for one that sleeps. */
  async #passOn(wakeKey: string): Promise<void> {
    await this.#connection.redis.multi().lpush(wakeKey, "1").ltrim(wakeKey, 0, 0).exec();
  }
}
