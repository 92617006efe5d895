/**
 * Waits for jobs to end. The first wait opens a subscriber; the script notes who waits, and whoever ends the job
 * publishes its id on the waiter's channel. A message may be lost with its connection, so every wait also asks now and
 * then.
 */
import { Connection, type ConnectionOptions } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import { parseRecord, parseRun, type JobRecord, type JobRun, type ShardKeys } from "../protocol/index.js";
import { awaitJob } from "../scripts/index.js";

/** How often a wait asks although no message came (ms). */
const ASK_AGAIN_MS = 5000;

export interface FinishedJob {
  readonly record: JobRecord;
  readonly run: JobRun;
}

export class ResultListener {
  readonly #connection: Connection;
  readonly #options: ConnectionOptions;
  readonly #keys: ShardKeys;
  readonly #client: string;
  /** Who wants to look again when a job is said to have ended. */
  readonly #waiting = new Map<string, Set<() => void>>();
  #subscriber: Promise<Connection> | undefined;

  constructor(connection: Connection, options: ConnectionOptions, keys: ShardKeys, client: string) {
    this.#connection = connection;
    this.#options = options;
    this.#keys = keys;
    this.#client = client;
  }

  /**
   * The end of the job, or `undefined` when it has not ended after `timeoutMs`.
   * @throws TaskweftError `JobNotFound`
   */
  async wait(id: string, timeoutMs: number): Promise<FinishedJob | undefined> {
    await this.#subscribe();
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const heard = this.#listen(id);
      try {
        const finished = await this.#ask(id);
        if (finished !== undefined) return finished;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) return undefined;
        await heard.next(Math.min(leftMs, ASK_AGAIN_MS));
      } finally {
        heard.stop();
      }
    }
  }

  close(): void {
    for (const callbacks of this.#waiting.values()) for (const callback of callbacks) callback();
    void this.#subscriber?.then(
      (subscriber) => subscriber.disconnect(),
      // A subscriber that never came up has told whoever waited.
      () => undefined,
    );
  }

  async #ask(id: string): Promise<FinishedJob | undefined> {
    const reply = await awaitJob(this.#connection, { keys: this.#keys, id, client: this.#client });
    if (reply === "WAITING") return undefined;
    const record = reply === "NOTFOUND" ? undefined : parseRecord(reply.record);
    if (reply === "NOTFOUND" || record === undefined) {
      throw new TaskweftError(
        "JobNotFound",
        `no job ${id} is stored: it was deleted, or its retention has ended`,
        { operation: "result" },
      );
    }
    return { record, run: parseRun(reply.run) };
  }

  /** Registers before asking, so that an end between the answer and the wait is not missed. */
  #listen(id: string): { next(ms: number): Promise<void>; stop(): void } {
    let wake = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    const callbacks = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, callbacks.add(wake));
    let timer: NodeJS.Timeout | undefined;
    return {
      next: async (ms) => {
        timer = setTimeout(wake, ms);
        await woken;
      },
      stop: () => {
        clearTimeout(timer);
        callbacks.delete(wake);
        if (callbacks.size === 0) this.#waiting.delete(id);
      },
    };
  }

  #subscribe(): Promise<Connection> {
    this.#subscriber ??= this.#openSubscriber();
    return this.#subscriber;
  }

  async #openSubscriber(): Promise<Connection> {
    const subscriber = new Connection(this.#options, "results");
    subscriber.redis.on("message", (_channel: string, id: string) => {
      for (const wake of this.#waiting.get(id) ?? []) wake();
    });
    await subscriber.redis.subscribe(this.#keys.finishedChannel(this.#client));
    return subscriber;
  }
}
