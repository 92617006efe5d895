/**
 * Holds claimed jobs until they start: alone (suspects), in batches (gathering), or in the order of their
 * claim (claim buffer). Starts them in the free slots; a batch takes one slot.
 */
import type { ReadClaims, Claim } from "../claims/claim.js";
import { BatchAttempt, BatchCall } from "./batch.js";
import { ClaimBuffer } from "../claims/claim-buffer.js";
import { Execution } from "./execution.js";
import type { Executor } from "./executor.js";
import { Gathering } from "./gathering.js";
import type { Logger } from "../handler.js";
import type { HandlerTable, TaskEntry } from "./handler-table.js";
import { Suspects, type SuspectsPorts } from "./suspects.js";
import type { Notebook } from "./notebook.js";

export interface IntakePorts extends Omit<SuspectsPorts, "busy" | "isServed" | "start"> {
  /** Slots that this part may use now. */
  readonly concurrency: () => number;
  readonly handlers: HandlerTable;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly notebook: Notebook;
  /** Redis time (ms). */
  readonly now: () => number;
  /** Claims on their way here: workflow steps whose payload is being computed. */
  readonly preparing: () => number;
  /**
   * Whether the lease certainly lasts, so that claimed jobs are still this worker's own. If that is
   * uncertain, the lease keeper asks Redis, and calls `look` afterwards.
   */
  readonly leaseLasts: () => boolean;
  /** Jobs that waited for a slot were handed back, because none became free. */
  readonly onStuck: () => void;
  /** A job that was gathering here, or waited to run alone, must not run any more. */
  readonly onCancelled: (execution: Execution) => void;
}

/**
 * A start that blocks the event loop for longer than this (ms) ends its turn: other work of the loop comes
 * before the next start.
 */
const LONG_START_MS = 20;

export class Intake {
  readonly #ports: IntakePorts;
  readonly #buffer: ClaimBuffer;
  readonly #suspects: Suspects;
  readonly #gathering: Gathering;
  /** False in a project without batches, which then costs nothing. */
  readonly #mayGather: boolean;
  /** Attempts that run in the slot of their batch instead of one of their own. */
  #sharing = 0;
  #fillQueued = false;
  #blocking = false;
  /** Set after a handler that blocked the loop, until the due timers have run. */
  #turning: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(ports: IntakePorts) {
    this.#ports = ports;
    const { giveBack, onStuck, now } = ports;
    this.#mayGather = ports.handlers.hasBatches;
    this.#buffer = new ClaimBuffer((ids) => {
      onStuck();
      giveBack(ids);
    });
    this.#gathering = new Gathering({ now, giveBack, onReady: () => this.#fill() });
    this.#suspects = new Suspects({
      ...ports,
      busy: () => this.inHand,
      isServed: ({ record }) => ports.handlers.get(record.task) !== undefined,
      start: (claim) => this.#startAlone(claim),
      onClosed: () => this.close(),
    });
  }

  /** Slots in use. */
  get slots(): number {
    return this.#ports.executor.running - this.#sharing;
  }

  /** True while this worker can start nothing. */
  get full(): boolean {
    return !this.#suspects.open || this.slots >= this.#ports.concurrency();
  }

  /** False while a suspect waits here, or runs or waits in another part; then nothing may be claimed. */
  get open(): boolean {
    return this.#suspects.open;
  }

  /** Jobs that will need a slot: those that wait for one, and those for which one is kept. */
  get coming(): number {
    return this.#buffer.waiting + this.#gathering.kept;
  }

  /** Claimed jobs that wait for a slot. */
  get waiting(): number {
    return this.#buffer.waiting;
  }

  /** Whether the handler that was last started for a single job blocked the event loop. */
  get blocking(): boolean {
    return this.#blocking;
  }

  /** Jobs to claim beyond the free slots. */
  get room(): number {
    return this.#mayGather ? this.#gathering.room(this.#ports.concurrency() - this.slots) : 0;
  }

  /** Jobs that have started or are about to; a waiting suspect does not count. */
  get inHand(): number {
    return (
      this.#ports.executor.running + this.#buffer.waiting + this.#gathering.jobs + this.#ports.preparing()
    );
  }

  /** True while jobs run or gather here, so that cancels must arrive soon. */
  get busy(): boolean {
    return this.#ports.executor.running + this.#gathering.jobs > 0;
  }

  take(claims: ReadClaims["claims"], mayBeSuspect: boolean): void {
    const harmless = this.#suspects.sift(claims, mayBeSuspect);
    const single = this.#mayGather ? this.#gather(harmless) : harmless;
    this.#buffer.add(single);
    this.#fill();
    if (this.#mayGather) this.#gathering.claimed(harmless.length - single.length, this.#buffer.waiting > 0);
    this.#suspects.look();
  }

  /** An attempt has ended. */
  ended(execution: Execution): void {
    if (execution instanceof BatchAttempt) {
      const { call } = execution;
      call.left(execution);
      if (call.running) this.#sharing -= 1;
    }
    this.look();
  }

  cancel(id: string): void {
    const { executor, handlers, worker, logger, notebook, onCancelled } = this.#ports;
    const claim = this.#gathering.drop(id) ?? this.#suspects.drop(id);
    const contract = claim === undefined ? undefined : handlers.get(claim.record.task)?.contract;
    if (claim === undefined || contract === undefined) executor.cancel(id);
    else onCancelled(new Execution(claim, contract, worker(), logger, notebook));
  }

  /** Removes everything that has not started, and returns the ids. */
  takeIds(): readonly string[] {
    return [...this.#buffer.takeIds(), ...this.#gathering.takeIds(), ...this.#suspects.takeIds()];
  }

  /** The lease is lost, and with it the jobs that were held under it. */
  abandon(): void {
    this.#buffer.takeIds();
    this.#gathering.takeIds();
    this.#suspects.abandon();
  }

  /**
   * A suspect must run alone, here or in another part of the worker: claim nothing and let nothing gather.
   */
  close(): void {
    this.#ports.onClosed();
    this.#ports.giveBack(this.#gathering.takeIds());
  }

  /** A slot may be free, or the last job that a suspect waits for has ended. */
  look(): void {
    this.#fillSoon();
    this.#suspects.look();
  }

  stop(): void {
    this.#closed = true;
  }

  /**
   * Starts waiting jobs in the free slots. Ten handlers that block for half a minute each would block for
   * five minutes if they were started in one turn of the loop, and the lease would be lost. So the loop turns
   * between them: the lease is renewed, and jobs that waited too long behind a blocking handler are handed
   * back.
   */
  #fill(): void {
    const { concurrency, executor, leaseLasts, shared } = this.#ports;
    if (this.#turning !== undefined || !leaseLasts() || shared.elsewhere() === "alone") return;
    let startedAt = performance.now();
    for (let free = concurrency() - this.slots; free > 0; free = concurrency() - this.slots) {
      // Batches come before single jobs, because they have waited already.
      const batch = this.#mayGather ? this.#gathering.take(free, this.#buffer.waiting > 0) : undefined;
      if (batch !== undefined) this.#startBatch(batch.claims);
      else {
        const claim = this.#buffer.shift();
        if (claim === undefined) return;
        executor.start(claim, startedAt);
      }
      const now = performance.now();
      const wasLong = now - startedAt > LONG_START_MS;
      // A batch does not count as blocking: its time is spent on many jobs.
      this.#blocking = wasLong && batch === undefined;
      if (wasLong) {
        this.#fillAfterTurn();
        return;
      }
      startedAt = now;
    }
  }

  /** A timer, because `setImmediate` would run before the timers that are due by now. */
  #fillAfterTurn(): void {
    this.#turning = setTimeout(() => {
      this.#turning = undefined;
      if (this.#closed) return;
      this.#fill();
      this.#suspects.look();
    }, 0);
  }

  /**
   * In a microtask and not directly, because a running `#fill` continues by itself, and recursion could
   * overflow the stack.
   */
  #fillSoon(): void {
    if (this.#fillQueued || this.#closed || (this.#buffer.waiting === 0 && !this.#gathering.ready)) return;
    this.#fillQueued = true;
    queueMicrotask(() => {
      this.#fillQueued = false;
      this.#fill();
      // The started job may have had no handler here, and then no end follows that would call this.
      this.#suspects.look();
    });
  }

  /**
   * Returns the claims of tasks without batches; the others gather. While a suspect waits to run alone,
   * nothing may gather.
   */
  #gather(claims: readonly Claim[]): readonly Claim[] {
    const returned: string[] = [];
    const single = claims.filter((claim) => {
      const contract = this.#ports.handlers.get(claim.record.task)?.contract;
      if (contract?.batch === undefined) return true;
      if (this.#suspects.open) this.#gathering.add(claim, contract, contract.batch);
      else returned.push(claim.id);
      return false;
    });
    if (returned.length > 0) this.#ports.giveBack(returned);
    return single;
  }

  #startAlone(claim: Claim): void {
    const { handlers, executor } = this.#ports;
    if (handlers.get(claim.record.task)?.contract.batch === undefined) executor.start(claim);
    else this.#startBatch([claim]);
  }

  /** Starts one batch; all claims are of the same task. */
  #startBatch(claims: readonly Claim[]): void {
    const { handlers, executor, worker, logger, notebook } = this.#ports;
    const entry = handlers.get(claims[0]?.record.task ?? "");
    if (entry === undefined) return;
    const call = new BatchCall(claims, entry.contract, worker(), logger, notebook);
    this.#sharing += claims.length - 1;
    const handler = entry.handler ?? loaded(entry);
    for (const attempt of call.attempts) executor.begin(attempt, entry, handler);
  }
}

/**
 * A handler in a queue that this worker does not serve is loaded with the first job that arrives all the
 * same.
 */
function loaded(entry: TaskEntry): NonNullable<TaskEntry["handler"]> {
  const loading = entry.load();
  // Where all attempts end before it is loaded, nobody awaits this, and a rejection would end the process.
  loading.catch(() => undefined);
  return async (job, ctx) => (await loading)(job, ctx);
}
