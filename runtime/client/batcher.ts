/**
 * Coalesces enqueues. All enqueues of one tick travel in one call; while calls are in flight, further
 * enqueues gather and go with the next call, so batches grow with the load and no timer adds latency.
 *
 *   add -> waiting --(tick ends, a batch is full, or a call returns)--> in flight (at most MAX_IN_FLIGHT
 *   calls)
 *       -> settled
 *
 * A call keeps its number until it is answered: when the connection breaks and ioredis sends it again, the
 * script recognises it.
 */
import { TaskweftError } from "../errors.js";
import type { ServerClock } from "../connection/index.js";
import type { JobMeter } from "../metrics/index.js";
import { type ShardKeys, taskOfRecord } from "../protocol/index.js";
import {
  enqueue,
  type EnqueueItem,
  type EnqueueReply,
  MOST_CALL_CHARACTERS,
  type ScriptRunner,
} from "../scripts/index.js";

/** Most calls in flight. Full batches are sent at once, while further enqueues are still being made. */
const MAX_IN_FLIGHT = 8;
/**
 * A batch that is not full waits while this many calls are in flight: two calls overlap network and server,
 * and more would only split batches.
 */
const MAX_IN_FLIGHT_UNFILLED = 2;
/**
 * Limits of one call: its jobs, and the characters of their records. They keep a script from holding Redis
 * for long.
 */
interface Bounds {
  readonly jobs: number;
  readonly characters: number;
}

/** Small enough that several calls are in flight: Redis runs one while the client builds the next. */
const BOUNDS: Bounds = { jobs: 250, characters: 30 * 1024 };
/**
 * Every call is confirmed separately, which takes a round trip to a replica or a disk, so few large calls are
 * cheaper than many small ones.
 */
const CONFIRMED_BOUNDS: Bounds = { jobs: 1000, characters: 512 * 1024 };

/** A producer that waits until its job is stored. */
export interface Waiter {
  /**
   * `existing` is the id of the job that was already there, or `undefined` if this job is new. `replaced`:
   * that job now has this payload.
   */
  readonly stored: (existing: string | undefined, replaced: boolean) => void;
  readonly failed: (error: TaskweftError) => void;
  /** Counts the outcome of the enqueue. */
  readonly meter: JobMeter;
}

/** Items and their waiters, in the same order. */
interface Batch {
  readonly items: EnqueueItem[];
  readonly waiters: Waiter[];
  /** Total length of the records. */
  characters: number;
  /** Whether the batch is closed to further items. */
  isFull: boolean;
}

export interface BatcherOptions {
  readonly runner: ScriptRunner;
  readonly keys: ShardKeys;
  readonly client: string;
  readonly clock: ServerClock;
  /** Longest wait for an answer (ms); after that the outcome is unknown. */
  readonly deadlineMs: number;
  /** Why the connection is down, if known. */
  readonly lastError: () => string | undefined;
  /** What a call waits for before it is sent; `undefined` once it may be sent. Default: nothing. */
  readonly gate?: () => Promise<void> | undefined;
  /**
   * Waits until this call of this slot is durable enough; returns what is missing if it is not. Default: no
   * wait.
   */
  readonly confirm?: (slot: number, call: number) => Promise<string | undefined>;
}

interface Answer extends EnqueueReply {
  /** What is missing for the requested durability, in words. */
  readonly shortfall?: string | undefined;
}

/** A call that is in flight. */
interface Call {
  readonly batch: Batch;
  /** Local monotonic time (ms). */
  readonly expiresAt: number;
  /** Local monotonic time (ms); `undefined` while the call waits at the gate. */
  sentAt: number | undefined;
  /** 0 while the call waits at the gate. */
  number: number;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #bounds: Bounds;
  /** Limit on the characters of a call with more than one job. */
  readonly #mostCharacters: number;
  readonly #freeSlots = Array.from({ length: MAX_IN_FLIGHT }, (_unused, slot) => slot);
  /** All batches but the last are full. */
  readonly #waiting: Batch[] = [];
  #scheduled = false;
  #stuck: NodeJS.Timeout | undefined;
  /** Calls by slot; `undefined` for a free slot. */
  readonly #inFlight: (Call | undefined)[] = Array.from({ length: MAX_IN_FLIGHT }, () => undefined);
  /**
   * Timer of the oldest call. It is not reset when that call is answered: a lone enqueue would pay noticeably
   * for a new timer per call.
   */
  #expiry: NodeJS.Timeout | undefined;
  #call = 0;
  #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#bounds = options.confirm === undefined ? BOUNDS : CONFIRMED_BOUNDS;
    this.#mostCharacters = Math.max(this.#bounds.characters, MOST_CALL_CHARACTERS);
  }

  add(item: EnqueueItem, waiter: Waiter): void {
    const { length } = item.record;
    let batch = this.#waiting.at(-1);
    if (batch !== undefined && batch.characters + length > this.#mostCharacters) batch.isFull = true;
    if (batch === undefined || batch.isFull) this.#waiting.push((batch = emptyBatch()));
    batch.items.push(item);
    batch.waiters.push(waiter);
    batch.characters += length;
    batch.isFull = batch.items.length >= this.#bounds.jobs || batch.characters >= this.#bounds.characters;
    if (batch.isFull && this.#freeSlots.length > 0) this.#flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Resolves when every item that was added has been answered. */
  async drained(): Promise<void> {
    while (this.#waiting.length > 0 || this.#freeSlots.length < MAX_IN_FLIGHT) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    }
  }

  #flush(): void {
    for (let batch = this.#waiting[0]; batch !== undefined; batch = this.#waiting[0]) {
      const slot = this.#freeSlot(batch);
      if (slot === undefined) {
        this.#stuck ??= setTimeout(() => this.#refuseWaiting(), this.#options.deadlineMs);
        return;
      }
      this.#waiting.shift();
      this.#send(slot, batch);
    }
    if (this.#freeSlots.length === MAX_IN_FLIGHT) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #freeSlot({ isFull }: Batch): number | undefined {
    const kept = isFull ? 0 : MAX_IN_FLIGHT - MAX_IN_FLIGHT_UNFILLED;
    return this.#freeSlots.length > kept ? this.#freeSlots.pop() : undefined;
  }

  #send(slot: number, batch: Batch): void {
    const { deadlineMs } = this.#options;
    const call: Call = { batch, expiresAt: performance.now() + deadlineMs, sentAt: undefined, number: 0 };
    this.#inFlight[slot] = call;
    if (this.#expiry === undefined) this.#expiry = this.#expireIn(deadlineMs);
    // The slot stays taken until the answer arrives, however late: another call must not use its number
    // before.
    this.#perform(slot, call).then(
      (answer) => {
        this.#learnTime(answer, call);
        if (this.#answered(slot, call)) settle(batch, answer);
        this.#release(slot);
      },
      (error: unknown) => {
        if (this.#answered(slot, call)) failAll(batch, error as TaskweftError);
        this.#release(slot);
      },
    );
  }

  /** Adds no promise unless it has to: that is measurable when jobs are enqueued one at a time. */
  #perform(slot: number, call: Call): Promise<Answer> {
    const { confirm, gate } = this.#options;
    const waits = gate?.();
    const stored = waits === undefined ? this.#store(slot, call) : waits.then(() => this.#store(slot, call));
    if (confirm === undefined) return stored;
    return stored.then(async (reply) => {
      // The reply's time is read now, because it would be stale after the confirmation.
      this.#learnTime(reply, call);
      return { ...reply, nowMs: undefined, shortfall: await confirm(slot, call.number) };
    });
  }

  #learnTime({ nowMs }: EnqueueReply, { sentAt }: Call): void {
    if (nowMs !== undefined) this.#options.clock.observe(nowMs, sentAt);
  }

  /** @throws if the call expired at the gate, because its producers were told that it was not sent. */
  #store(slot: number, call: Call): Promise<EnqueueReply> {
    const { runner, keys, client, clock } = this.#options;
    if (this.#inFlight[slot] !== call) return Promise.reject(this.#unsent());
    call.sentAt = performance.now();
    call.number = ++this.#call;
    const asksTime = clock.isOld(call.sentAt);
    return enqueue(runner, { keys, client, slot, call: call.number, asksTime, items: call.batch.items });
  }

  #expireIn(ms: number): NodeJS.Timeout {
    // Unref'd, because the connection keeps the process alive while anyone waits.
    return setTimeout(() => this.#expire(), ms).unref();
  }

  #expire(): void {
    const { deadlineMs, lastError } = this.#options;
    const now = performance.now();
    const calls = this.#inFlight.filter((call) => call !== undefined);
    for (const call of calls) {
      if (call.expiresAt > now) continue;
      this.#inFlight[this.#inFlight.indexOf(call)] = undefined;
      failAll(call.batch, call.sentAt === undefined ? this.#unsent() : unanswered(deadlineMs, lastError()));
    }
    const next = Math.min(...calls.map(({ expiresAt }) => expiresAt).filter((at) => at > now));
    this.#expiry = next === Infinity ? undefined : this.#expireIn(next - now);
  }

  /** False if the call was given up before. */
  #answered(slot: number, call: Call): boolean {
    if (this.#inFlight[slot] !== call) return false;
    this.#inFlight[slot] = undefined;
    return true;
  }

  /**
   * No call was answered for a whole deadline: the waiting batches were never sent, and their producers are
   * told so.
   */
  #refuseWaiting(): void {
    this.#stuck = undefined;
    for (const { waiters } of this.#waiting.splice(0))
      for (const waiter of waiters) fail(waiter, this.#unsent());
  }

  #unsent(): TaskweftError {
    const { deadlineMs, lastError } = this.#options;
    return unavailable(deadlineMs, lastError());
  }

  #release(slot: number): void {
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
    this.#freeSlots.push(slot);
    this.#flush();
  }
}

function emptyBatch(): Batch {
  return { items: [], waiters: [], characters: 0, isFull: false };
}

function settle({ items, waiters }: Batch, { known, refused, drained, shortfall }: Answer): void {
  if (known.length === 0 && refused.length + drained.length === 0 && shortfall === undefined) {
    for (const waiter of waiters) {
      waiter.meter.queued += 1;
      waiter.stored(undefined, false);
    }
    return;
  }
  const existing = new Map(known.map((entry) => [entry.item, entry]));
  const full = new Set(refused);
  const closed = new Set(drained);
  for (const [index, item] of items.entries()) {
    const entry = existing.get(item);
    const waiter = waiters[index];
    if (waiter === undefined) continue;
    if (full.has(item)) fail(waiter, queueFull(item));
    else if (closed.has(item)) fail(waiter, draining(item));
    else if (entry !== undefined && entry.existing === undefined) fail(waiter, conflict(item));
    else {
      if (entry === undefined) waiter.meter.queued += 1;
      else waiter.meter.deduplicated += 1;
      if (shortfall !== undefined) fail(waiter, notReached(entry?.existing ?? item.id, shortfall));
      else waiter.stored(entry?.existing, entry?.replaced === true);
    }
  }
}

function failAll({ items, waiters }: Batch, error: TaskweftError): void {
  for (const [index, { id }] of items.entries()) fail(waiters[index], named(error, id));
}

/** Tells a producer that its enqueue failed or has an unknown outcome. */
export function fail(waiter: Waiter | undefined, error: TaskweftError): void {
  waiter?.meter.enqueueFailures.add(error.code);
  waiter?.failed(error);
}

function queueFull({ queue, maxPending }: EnqueueItem): TaskweftError {
  return new TaskweftError(
    "QueueFull",
    `the queue ${queue} holds its most of ${maxPending} pending jobs (maxPending); this job was not stored. Enqueue it later, add workers, or raise the limit.`,
    { operation: "enqueue" },
  );
}

function draining({ queue, record }: EnqueueItem): TaskweftError {
  return new TaskweftError(
    "Draining",
    `the queue ${queue} or the task ${taskOfRecord(record)} is being drained and accepts no new jobs; this job was not stored. Enqueue it again when \`weft queues accept\` or \`weft tasks accept\` has opened it.`,
    { operation: "enqueue" },
  );
}

function conflict(item: EnqueueItem): TaskweftError {
  return new TaskweftError(
    "IdConflict",
    `the id ${item.id} belongs to a stored job with another task, payload, maxRetries, timeout or retention, or to a deleted job that still has its place in a queue. Use another id, or no id and an idempotency key.`,
    { operation: "enqueue", jobId: item.id },
  );
}

function notReached(jobId: string, shortfall: string): TaskweftError {
  return new TaskweftError(
    "DurabilityNotReached",
    `the job ${jobId} is stored and may run, but ${shortfall}. Enqueue it again only under the same id or idempotency key: that makes no second job and waits anew.`,
    { operation: "enqueue", jobId },
  );
}

function unavailable(deadlineMs: number, lastError: string | undefined): TaskweftError {
  return new TaskweftError(
    "RedisUnavailable",
    `Redis has answered no call for ${deadlineMs} ms${reasonOf(lastError)}; this job was not sent. Enqueue it again when Redis is back.`,
    { operation: "enqueue" },
  );
}

function unanswered(deadlineMs: number, lastError: string | undefined): TaskweftError {
  const silence = `Redis did not answer within ${deadlineMs} ms${reasonOf(lastError)}`;
  return new TaskweftError("OutcomeUnknown", silence, { operation: "enqueue" });
}

function reasonOf(lastError: string | undefined): string {
  return lastError === undefined ? "" : ` (last error of the connection: ${lastError})`;
}

/**
 * The error of a whole call, for one of its jobs. An unknown outcome names the job, so that the producer can
 * look it up.
 */
function named(error: TaskweftError, jobId: string): TaskweftError {
  if (error.code !== "OutcomeUnknown") return error;
  return new TaskweftError(
    "OutcomeUnknown",
    `${error.message.slice("OutcomeUnknown: ".length)}; the job ${jobId} may or may not be stored, and may still be when the connection comes back. Look it up by its id before enqueuing it again.`,
    { operation: "enqueue", cause: error.cause, jobId },
  );
}
