/**
 * What becomes of claimed jobs until they start: alone (suspects), together with others (gathering), or in the order of their
 * claim (claim buffer). Starts them in the free slots; a batch takes one.
 */
import type { ReadClaims, Claim } from "./claim.js";
import { BatchAttempt, BatchCall } from "./batch.js";
import { ClaimBuffer } from "./claim-buffer.js";
import { Execution } from "./execution.js";
import type { Executor } from "./executor.js";
import { Gathering } from "./gathering.js";
import type { Logger } from "./handler.js";
import type { HandlerTable, TaskEntry } from "./handler-table.js";
import { Suspects, type SuspectsPorts } from "./suspects.js";
import type { Notebook } from "./notebook.js";

export interface IntakePorts extends Omit<SuspectsPorts, "busy" | "start"> {
  /** Slots that this may use now. */
  readonly concurrency: () => number;
  readonly handlers: HandlerTable;
  readonly executor: Executor;
  readonly logger: Logger;
  readonly notebook: Notebook;
  /** Redis time (ms). */
  readonly now: () => number;
  /** Claims that are on their way here: steps of workflows whose payload is being computed. */
  readonly preparing: () => number;
  /** What was claimed is still this worker's own. If it is not sure, it finds out, and `look` follows. */
  readonly leaseLasts: () => boolean;
  /** Jobs that waited for a slot were given back, because none came free. */
  readonly onStuck: () => void;
  /** A job that waited here for others is to run no more. */
  readonly onCancelled: (execution: Execution) => void;
}

/** A start that holds the event loop up for longer ends its turn (ms): what else waits for the loop comes before the next one. */
const LONG_START_MS = 20;

export class Intake {
  readonly #ports: IntakePorts;
  readonly #buffer: ClaimBuffer;
  readonly #suspects: Suspects;
  readonly #gathering: Gathering;
  /** False in a project without batches, which then costs nothing. */
  readonly #mayGather: boolean;
  /** Attempts that run without a slot of their own, beside others of their batch. */
  #sharing = 0;
  #fillQueued = false;
  #blocking = false;
  /** Set after a handler that blocked the loop, until the timers that are due have run. */
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

  /** False while a suspect waits here, or runs or waits in another part: nothing is claimed. */
  get open(): boolean {
    return this.#suspects.open;
  }

  /** Claimed jobs that wait for a slot. */
  get waiting(): number {
    return this.#buffer.waiting;
  }

  /** Whether the handler of a single job that started last held the event loop up. */
  get blocking(): boolean {
    return this.#blocking;
  }

  /** Jobs to claim beyond the free slots. */
  get room(): number {
    return this.#mayGather ? this.#gathering.room(this.#ports.concurrency() - this.slots) : 0;
  }

  /** Jobs that have started or are about to; a suspect that waits is none. */
  get inHand(): number {
    return (
      this.#ports.executor.running + this.#buffer.waiting + this.#gathering.jobs + this.#ports.preparing()
    );
  }

  /** True while jobs run or gather here, so that a cancel must be heard of soon. */
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
    const claim = this.#gathering.drop(id);
    const contract = claim === undefined ? undefined : handlers.get(claim.record.task)?.contract;
    if (claim === undefined || contract === undefined) executor.cancel(id);
    else onCancelled(new Execution(claim, contract, worker(), logger, notebook));
  }

  /** Forgets all that has not started, and says the ids. */
  takeIds(): readonly string[] {
    return [...this.#buffer.takeIds(), ...this.#gathering.takeIds(), ...this.#suspects.takeIds()];
  }

  /** The lease is lost, and with it what was held under it. */
  abandon(): void {
    this.#buffer.takeIds();
    this.#gathering.takeIds();
    this.#suspects.abandon();
  }

  /** A suspect is to run alone, here or in another part of the worker: nothing is claimed, and nothing gathers. */
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
   * Starts what waits, in the free slots. Ten handlers that block for half a minute each would block for five minutes if they were
   * started in one turn of the loop, and the lease would be lost. So the loop turns between them: then the worker is seen
   * to live, and what waited too long behind one of them is handed back.
   */
  #fill(): void {
    const { concurrency, executor, leaseLasts, shared } = this.#ports;
    if (this.#turning !== undefined || !leaseLasts() || shared.elsewhere() === "alone") return;
    let startedAt = performance.now();
    while (this.slots < concurrency()) {
      // Before single jobs: a batch has waited already.
      const batch = this.#gathering.ready ? this.#gathering.take() : undefined;
      if (batch !== undefined) this.#startBatch(batch.claims);
      else {
        const claim = this.#buffer.shift();
        if (claim === undefined) return;
        executor.start(claim, startedAt);
      }
      const now = performance.now();
      const wasLong = now - startedAt > LONG_START_MS;
      // A batch has work for many jobs, and wants many.
      this.#blocking = wasLong && batch === undefined;
      if (wasLong) {
        this.#fillAfterTurn();
        return;
      }
      startedAt = now;
    }
  }

  /** A timer and no `setImmediate`, which would come before the timers that are due by now. */
  #fillAfterTurn(): void {
    this.#turning = setTimeout(() => {
      this.#turning = undefined;
      if (this.#closed) return;
      this.#fill();
      this.#suspects.look();
    }, 0);
  }

  /** Not from inside a running `#fill`: its loop goes on by itself, and deep recursion would end in a stack overflow. */
  #fillSoon(): void {
    if (this.#fillQueued || this.#closed || (this.#buffer.waiting === 0 && !this.#gathering.ready)) return;
    this.#fillQueued = true;
    queueMicrotask(() => {
      this.#fillQueued = false;
      this.#fill();
      // What was to start may have had no handler here, and then nothing ends.
      this.#suspects.look();
    });
  }

  /** The claims that are for one job a call. While a suspect waits to run alone nothing may gather. */
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

  /** Of one task. */
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

/** A handler of a queue that this worker does not serve is loaded with the first job that comes from elsewhere. */
function loaded(entry: TaskEntry): NonNullable<TaskEntry["handler"]> {
  const loading = entry.load();
  return async (job, ctx) => (await loading)(job, ctx);
}
