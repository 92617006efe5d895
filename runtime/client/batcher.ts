/**
 * Coalesces enqueues. All that are made in one tick travel in one call; while calls are in flight, further enqueues
 * gather and go with the next one, so batches grow with the load and no timer adds latency.
 *
 *   add -> waiting --(tick ends, or a call returns)--> in flight (at most MAX_IN_FLIGHT calls) --> settled
 *
 * A call keeps its number until it is answered: when the connection breaks and it is sent again, the script knows it.
 */
import { TaskweftError } from "../errors.js";
import type { ServerClock } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { enqueue, type EnqueueItem, type EnqueueReply, type ScriptRunner } from "../scripts/index.js";
import { withDeadline } from "./deadline.js";

/** Two calls overlap network and server; more only splits batches. */
const MAX_IN_FLIGHT = 2;
/** One script must not hold Redis for long, and Lua unpacks at most some 8,000 values. */
const MAX_BATCH_JOBS = 250;
const MAX_BATCH_CHARACTERS = 256 * 1024;

/** The producer that waits for a job to be stored. */
export interface Waiter {
  /** `existing` is the id of the job that was there, `undefined` when this one is new. */
  readonly stored: (existing: string | undefined) => void;
  readonly failed: (error: TaskweftError) => void;
}

/** Items with their waiters, in the same order. */
interface Batch {
  readonly items: EnqueueItem[];
  readonly waiters: Waiter[];
}

export interface BatcherOptions {
  readonly runner: ScriptRunner;
  readonly keys: ShardKeys;
  readonly client: string;
  readonly clock: ServerClock;
  /** Longest wait for an answer (ms); then the outcome is unknown. */
  readonly deadlineMs: number;
  /** Why the connection is down, as far as known. */
  readonly lastError: () => string | undefined;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #freeSlots = Array.from({ length: MAX_IN_FLIGHT }, (_unused, slot) => slot);
  #waiting: Batch = { items: [], waiters: [] };
  #scheduled = false;
  #stuck: NodeJS.Timeout | undefined;
  #call = 0;
  #onIdle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  add(item: EnqueueItem, waiter: Waiter): void {
    this.#waiting.items.push(item);
    this.#waiting.waiters.push(waiter);
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Resolves when everything that was added has been answered. */
  async drained(): Promise<void> {
    while (this.#waiting.items.length > 0 || this.#freeSlots.length < MAX_IN_FLIGHT) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve));
    }
  }

  #flush(): void {
    while (this.#waiting.items.length > 0) {
      const slot = this.#freeSlots.pop();
      if (slot === undefined) {
        this.#stuck ??= setTimeout(() => this.#refuseWaiting(), this.#options.deadlineMs);
        return;
      }
      // The promise never rejects: every outcome goes to the producers of the batch.
      void this.#send(slot, this.#takeBatch());
    }
    if (this.#freeSlots.length === MAX_IN_FLIGHT) for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #takeBatch(): Batch {
    const { items, waiters } = this.#waiting;
    let count = 0;
    let characters = 0;
    while (count < items.length && count < MAX_BATCH_JOBS) {
      characters += items[count]?.record.length ?? 0;
      if (count > 0 && characters > MAX_BATCH_CHARACTERS) break;
      count += 1;
    }
    if (count === items.length) {
      this.#waiting = { items: [], waiters: [] };
      return { items, waiters };
    }
    this.#waiting = { items: items.slice(count), waiters: waiters.slice(count) };
    return { items: items.slice(0, count), waiters: waiters.slice(0, count) };
  }

  async #send(slot: number, batch: Batch): Promise<void> {
    const { runner, keys, client, clock, deadlineMs, lastError } = this.#options;
    const sent = enqueue(runner, { keys, client, slot, call: ++this.#call, items: batch.items });
    try {
      const reply = await withDeadline(sent, deadlineMs, () =>
        unanswered(batch.items, deadlineMs, lastError()),
      );
      clock.observe(reply.nowMs);
      settle(batch, reply);
    } catch (error) {
      for (const waiter of batch.waiters) waiter.failed(error as TaskweftError);
    }
    // The slot stays taken until the late answer is in: its number must not be used by another call before.
    void sent.then(
      () => this.#release(slot),
      () => this.#release(slot),
    );
  }

  /** No call was answered for the whole deadline: what waits behind them was never sent, and its producers must know. */
  #refuseWaiting(): void {
    this.#stuck = undefined;
    const { waiters } = this.#waiting;
    this.#waiting = { items: [], waiters: [] };
    for (const waiter of waiters) waiter.failed(unavailable(this.#options.deadlineMs));
  }

  #release(slot: number): void {
    clearTimeout(this.#stuck);
    this.#stuck = undefined;
    this.#freeSlots.push(slot);
    this.#flush();
  }
}

function settle({ items, waiters }: Batch, { known, refused }: EnqueueReply): void {
  if (known.length === 0 && refused.length === 0) {
    for (const waiter of waiters) waiter.stored(undefined);
    return;
  }
  const existing = new Map(known.map((entry) => [entry.item, entry]));
  const full = new Set(refused);
  for (const [index, item] of items.entries()) {
    const entry = existing.get(item);
    const waiter = waiters[index];
    if (full.has(item)) waiter?.failed(queueFull(item));
    else if (entry !== undefined && entry.existing === undefined) waiter?.failed(conflict(item));
    else waiter?.stored(entry?.existing);
  }
}

function queueFull({ queue, maxPending }: EnqueueItem): TaskweftError {
  return new TaskweftError(
    "QueueFull",
    `the queue ${queue} holds its most of ${maxPending} pending jobs (maxPending); this job was not stored. Enqueue it later, add workers, or raise the limit.`,
    { operation: "enqueue" },
  );
}

function conflict(item: EnqueueItem): TaskweftError {
  return new TaskweftError(
    "IdConflict",
    `the id ${item.id} belongs to a stored job with another task, payload or options, or to a deleted job that still has its place in a queue. Use another id, or no id and an idempotency key.`,
    { operation: "enqueue" },
  );
}

function unavailable(deadlineMs: number): TaskweftError {
  return new TaskweftError(
    "RedisUnavailable",
    `Redis has answered no call for ${deadlineMs} ms; this job was not sent. Enqueue it again when Redis is back.`,
    { operation: "enqueue" },
  );
}

function unanswered(
  items: readonly EnqueueItem[],
  deadlineMs: number,
  lastError: string | undefined,
): TaskweftError {
  const ids = items.slice(0, 3).map((item) => item.id);
  const more = items.length > ids.length ? ` and ${items.length - ids.length} more` : "";
  const reason = lastError === undefined ? "" : ` (last error of the connection: ${lastError})`;
  return new TaskweftError(
    "OutcomeUnknown",
    `Redis did not answer within ${deadlineMs} ms${reason}; the jobs ${ids.join(", ")}${more} may or may not be stored, and may still be when the connection comes back. Look them up by id before enqueuing again.`,
    { operation: "enqueue" },
  );
}
