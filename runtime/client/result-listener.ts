/**
 * Waits for jobs to end. The first wait opens a subscriber; the script notes who waits, and whoever ends the job
 * publishes its id on the waiter's channel. A message may be lost with its connection, so every wait also asks now and
 * then.
 */
import { Connection, type ConnectionOptions, toTaskweftError } from "../connection/index.js";
import { TaskweftError } from "../errors.js";
import {
  parseRecord,
  parseRun,
  parseRunEnd,
  type JobRecord,
  type JobRun,
  type RunEnd,
  type ShardKeys,
} from "../protocol/index.js";
import { awaitJob, awaitRun } from "../scripts/index.js";
import { Asks } from "./asks.js";

/** How often a wait asks although no message came (ms). */
const ASK_AGAIN_MS = 5000;
/** How long after its time-out a wait still takes an answer that is under way (ms). */
const ANSWER_GRACE_MS = 500;

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
  readonly #asks = new Asks();
  #subscriber: Connection | undefined;
  #subscribed: Promise<unknown> | undefined;
  #closed = false;

  constructor(connection: Connection, options: ConnectionOptions, keys: ShardKeys, client: string) {
    this.#connection = connection;
    this.#options = options;
    this.#keys = keys;
    this.#client = client;
  }

  /**
   * The end of the job, or `undefined` when it has not ended after `timeoutMs`.
   * @throws TaskweftError `JobNotFound`, `Closed`; `TimedOut` when Redis itself does not answer.
   */
  wait(id: string, timeoutMs: number): Promise<FinishedJob | undefined> {
    return this.#bounded(id, timeoutMs, () => this.#ask(id));
  }

  /** The same for a workflow run. */
  waitForRun(id: string, timeoutMs: number): Promise<RunEnd | undefined> {
    return this.#bounded(id, timeoutMs, () => this.#askRun(id));
  }

  async #bounded<End>(
    id: string,
    timeoutMs: number,
    ask: () => Promise<End | undefined>,
  ): Promise<End | undefined> {
    try {
      return await this.#wait(id, timeoutMs, ask);
    } catch (error) {
      throw this.#closed ? clientClosed(id) : error;
    }
  }

  close(): void {
    this.#closed = true;
    this.#wakeAll();
    this.#subscriber?.disconnect();
  }

  async #wait<End>(
    id: string,
    timeoutMs: number,
    ask: () => Promise<End | undefined>,
  ): Promise<End | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const heard = this.#listen(id);
      try {
        const finished = await this.#asks.ask({
          gate: () => this.#subscribe(),
          call: ask,
          deadlineMs: deadline + ANSWER_GRACE_MS - performance.now(),
          silent: () => silent(id),
        });
        if (finished !== undefined) return finished;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) return undefined;
        await heard.next(Math.min(leftMs, ASK_AGAIN_MS));
        if (this.#closed) throw clientClosed(id);
      } finally {
        heard.stop();
      }
    }
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

  async #askRun(id: string): Promise<RunEnd | undefined> {
    const reply = await awaitRun(this.#connection, { keys: this.#keys, id, client: this.#client });
    if (reply === "WAITING") return undefined;
    const end = reply === "NOTFOUND" ? undefined : parseRunEnd(reply.state);
    if (end !== undefined) return end;
    throw new TaskweftError("JobNotFound", `no workflow run ${id} is stored: its retention has ended`, {
      operation: "result",
    });
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

  #wakeAll(): void {
    for (const callbacks of this.#waiting.values()) for (const wake of callbacks) wake();
  }

  async #subscribe(): Promise<void> {
    // What waited for a slot must not open another one.
    if (this.#closed) throw new TaskweftError("Closed", "the client was closed");
    this.#subscribed ??= this.#openSubscriber();
    try {
      await this.#subscribed;
    } catch (error) {
      this.#subscribed = undefined;
      throw toTaskweftError(error, "result");
    }
  }

  async #openSubscriber(): Promise<void> {
    this.#subscriber?.disconnect();
    const subscriber = new Connection(this.#options, "results", this.#keys);
    this.#subscriber = subscriber;
    subscriber.redis.on("message", (_channel: string, id: string) => {
      for (const wake of this.#waiting.get(id) ?? []) wake();
    });
    // What was said while nobody listened is gone: ask.
    subscriber.onReconnect(() => this.#wakeAll());
    await subscriber.redis.subscribe(this.#keys.finishedChannel(this.#client));
  }
}

function silent(id: string): TaskweftError {
  return new TaskweftError(
    "TimedOut",
    `Redis did not answer whether job ${id} has finished; the job goes on, ask again later`,
    { operation: "result" },
  );
}

function clientClosed(id: string): TaskweftError {
  return new TaskweftError("Closed", `the client was closed while it waited for job ${id}; the job goes on`, {
    operation: "result",
  });
}
