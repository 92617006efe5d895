/**
 * Waits for jobs to end. The first wait opens a subscriber; the script records who waits, and the script that
 * ends the job publishes its id on the waiter's channel. A message may be lost with its connection, so every
 * wait also polls.
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

/** Default of `result({ timeout })`, of jobs and of runs (ms). */
export const DEFAULT_RESULT_TIMEOUT_MS = 30_000;
/** Interval of the polls without a message (ms). */
const ASK_AGAIN_MS = 5000;
/** How long after its timeout a wait still accepts an answer that is under way (ms). */
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
  /** By job id: the waits to wake when the job is reported as ended. */
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
   * The end of the job, or `undefined` if it has not ended after `timeoutMs`.
   * @throws TaskweftError `JobNotFound`, `Closed`; `TimedOut` if Redis itself does not answer.
   */
  wait(id: string, timeoutMs: number): Promise<FinishedJob | undefined> {
    return this.#bounded(id, timeoutMs, () => this.#ask(id));
  }

  /** Like `wait`, for a workflow run. */
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
        { operation: "result", jobId: id },
      );
    }
    return { record, run: parseRun(reply.run) };
  }

  async #askRun(id: string): Promise<RunEnd | undefined> {
    const reply = await awaitRun(this.#connection, { keys: this.#keys, id, client: this.#client });
    if (reply === "WAITING") return undefined;
    const end = reply === "NOTFOUND" ? undefined : parseRunEnd(reply.state);
    if (end !== undefined) return end;
    throw new TaskweftError("RunNotFound", `no workflow run ${id} is stored: its retention has ended`, {
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
    // A wait that was queued for a slot must not open a subscriber after close.
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
    // Messages published while disconnected are lost: ask again.
    subscriber.onReconnect(() => this.#wakeAll());
    await subscriber.redis.subscribe(this.#keys.finishedChannel(this.#client));
  }
}

function silent(id: string): TaskweftError {
  return new TaskweftError(
    "TimedOut",
    `Redis did not answer whether job ${id} has finished; the job goes on, ask again later`,
    { operation: "result", jobId: id },
  );
}

function clientClosed(id: string): TaskweftError {
  return new TaskweftError("Closed", `the client was closed while it waited for job ${id}; the job goes on`, {
    operation: "result",
  });
}
