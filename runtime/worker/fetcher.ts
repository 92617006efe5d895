/**
 * Talks to the shard for a worker: one script a round trip acknowledges, renews, promotes and claims.
 *
 *   looking --(nothing there)--> idle --(woken: hint, due time, heartbeat)--> looking
 *   looking/idle --(connection re-made)--> reconciling --> looking
 *   any --(stopClaiming)--> settling: acknowledgements only
 *
 * At most MAX_IN_FLIGHT calls overlap. Acknowledgements ride with the next claim; they travel alone only when nothing is
 * to be claimed and no call is under way.
 */
import type { Connection } from "../connection/index.js";
import { processMetrics } from "../metrics/index.js";
import { queueOfRecord } from "../protocol/index.js";
import { type Advanced, type KeptJob, advance } from "../scripts/index.js";
import type { ClaimDemand } from "./claim-demand.js";
import type { Claim } from "./claim.js";
import type { Logger } from "./handler.js";
import { leaveHints } from "./hints.js";
import type { QueueShares } from "./queue-shares.js";
import { Taker, type TakerPorts } from "./taker.js";

const MAX_IN_FLIGHT = 2;
/** Up to so many jobs their texts come with the claim (one round trip); more are read natively, which is cheaper for Redis. */
const INLINE_UP_TO = 16;
/** Pause after a call that failed (ms): a Redis that refuses must not be asked thousands of times a second. */
const ERROR_PAUSE_MS = 250;
/** After so long without an answer (ms) the parts of a worker that serve other shards use the slots. */
export const SILENCE_MS = 1000;

export interface FetcherPorts extends TakerPorts {
  readonly connection: Connection;
  readonly shares: QueueShares;
  readonly demand: ClaimDemand;
  readonly maxBatch: number;
  readonly logger: Logger;
  /** Lease to write with this call (ms), 0 when it is fresh enough. */
  readonly renewal: () => number;
  /** Jobs that batches which gather have room for. */
  readonly gathering: () => number;
  /** Redis has just said that there is nothing more. */
  readonly onRest: () => void;
  /** Nothing to do: wait for a hint, at most until `nextDueMs` (-1 = no due time known). */
  readonly onIdle: (nextDueMs: number) => void;
  readonly onLost: () => void;
}

export class Fetcher {
  readonly taker: Taker;
  readonly #ports: FetcherPorts;
  #dropped: string[] = [];
  #kept: KeptJob[] = [];
  /** Ids that this worker holds, with the round in which it claimed them. */
  readonly #held = new Map<string, number>();
  #round = 0;
  #inFlight = 0;
  /** Calls of others under way that may claim. */
  #beside = 0;
  #asked = 0;
  /** When a call was answered last, or sent while none was under way (local monotonic time). */
  #heardAt = 0;
  #idle = false;
  /** The newest claim brought all that it asked for. */
  #plenty = false;
  /** How often this was woken: a reply to a call that was sent before the last time does not say that there is nothing. */
  #wakes = 0;
  #nextDueMs = -1;
  #claiming = false;
  #closed = false;
  #reconcile = false;
  #reconciling = false;
  #scheduled = false;
  #onSettled: (() => void)[] = [];

  constructor(ports: FetcherPorts) {
    this.#ports = ports;
    this.taker = new Taker(ports, this);
  }

  startClaiming(): void {
    this.#claiming = true;
    this.wake();
  }

  stopClaiming(): void {
    this.#claiming = false;
  }

  /** Something may have changed in Redis: look again. */
  wake(): void {
    this.#idle = false;
    this.#wakes += 1;
    this.schedule();
  }

  /** As `wake`, without waiting for others in this turn: somebody waits for the job behind the hint. */
  hinted(): void {
    this.#idle = false;
    this.#wakes += 1;
    this.#look();
  }

  /** Something changed here (a slot is free, an acknowledgement waits). Coalesced to one look a turn of the event loop. */
  schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#look();
    });
  }

  completed(id: string): void {
    this.#dropped.push(id);
  }

  completedAndKept(job: KeptJob): void {
    this.#kept.push(job);
  }

  /** True while this claims, and has not heard that there is nothing. */
  get hungry(): boolean {
    return this.#claiming && !this.#idle && !this.#closed && !this.#isSilent;
  }

  /**
   * True while this would claim, has heard that there is nothing, and waits to be told of something. Not while the texts of
   * the last jobs are read: what is claimed beside them would overtake them.
   */
  get asleep(): boolean {
    return this.#claiming && this.#idle && this.#asked === 0 && !this.#closed;
  }

  /** It reads what this worker holds, or is about to. */
  get reconciles(): boolean {
    return this.#reconcile || this.#reconciling;
  }

  /** Jobs asked for in calls that are about to be answered. */
  get asked(): number {
    return this.#isSilent ? 0 : this.#asked;
  }

  /** Redis has not answered for so long that slots must not be kept for what it may say. */
  get #isSilent(): boolean {
    return this.#inFlight > 0 && performance.now() - this.#heardAt > SILENCE_MS;
  }

  /** Number of the latest claim. */
  get round(): number {
    return this.#round;
  }

  /**
   * A call that is no claim, but may give this worker jobs to hold if it is told so; it says which by `hold`. Where its answer is lost,
   * nobody knows which these were.
   */
  async claimBeside<Reply>(call: (mayClaim: boolean) => Promise<Reply>): Promise<Reply> {
    if (!this.#claiming || this.#closed || this.reconciles) return await call(false);
    this.#beside += 1;
    try {
      return await call(true);
    } catch (error) {
      this.reconcile();
      throw error;
    } finally {
      this.#beside -= 1;
      if (this.#reconcile) this.schedule();
    }
  }

  hold(claims: readonly Claim[]): void {
    this.own(claims.map(({ id }) => id));
    if (!this.#idle) for (const { record } of claims) this.#ports.shares.took(record.queue);
  }

  /** This worker holds them from now on. */
  own(ids: readonly string[]): void {
    this.#round += 1;
    for (const id of ids) this.#held.set(id, this.#round);
  }

  /** The job was settled by another script. `upTo`: unless it was claimed again after that round. */
  forget(id: string, upTo: number): void {
    if ((this.#held.get(id) ?? Infinity) <= upTo) this.#held.delete(id);
  }

  /** The lease is lost: nothing that was held or finished under it may be written any more. */
  abandon(): void {
    this.#dropped = [];
    this.#kept = [];
    this.#held.clear();
  }

  /** Replies may have been lost with the connection: find out what this worker holds without knowing. */
  reconcile(): void {
    this.#reconcile = true;
    this.wake();
  }

  /** Somebody who waits at the gate for one of these queues may come in: whoever serves it has to look. */
  invite(queues: readonly string[]): void {
    const others = queues.filter((queue) => !this.#ports.shares.serves(queue));
    if (others.length < queues.length) this.wake();
    if (others.length > 0) void leaveHints(this.#ports, others);
  }

  /** Resolves when every acknowledgement has been answered. */
  async settled(): Promise<void> {
    while (this.#inFlight > 0 || this.#dropped.length > 0 || this.#kept.length > 0) {
      const settled = new Promise<void>((resolve) => this.#onSettled.push(resolve));
      this.schedule();
      await settled;
    }
  }

  close(): void {
    this.#closed = true;
  }

  #look(): void {
    if (this.#closed) return;
    if (this.reconciles) {
      // Alone: a claim that is answered while the list is read would be taken for one whose reply was lost, and run twice.
      if (this.#inFlight + this.#beside === 0) void this.#reconcileNow();
      return;
    }
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const want = this.#want();
      const acks = this.#dropped.length + this.#kept.length;
      if (want === 0 && acks === 0) break;
      if (want === 0 && this.#inFlight > 0 && acks < this.#ports.maxBatch / 2) break;
      void this.#call(want);
    }
    if (this.#idle && this.#claiming) this.#ports.onIdle(this.#nextDueMs);
    if (this.#inFlight === 0) for (const resolve of this.#onSettled.splice(0)) resolve();
  }

  #want(): number {
    if (!this.#claiming || this.#idle) return 0;
    // Who has just been woken asks once: a second call would find what the first has left, and Redis answers both together.
    if (this.#asked > 0 && !this.#plenty) return 0;
    const { demand, running, waiting, gathering, blocking } = this.#ports;
    return demand.wanted({
      running: running(),
      waiting: waiting(),
      asked: this.#asked,
      gathering: gathering(),
      blocking: blocking(),
      plenty: this.#plenty,
    });
  }

  async #call(want: number): Promise<void> {
    const { connection, keys, maxBatch, worker, renewal, shares } = this.#ports;
    const dropped = this.#dropped.splice(0, maxBatch);
    const kept = this.#kept.splice(0, maxBatch - dropped.length);
    const name = worker();
    const wakes = this.#wakes;
    if (this.#inFlight === 0) this.#heardAt = performance.now();
    this.#inFlight += 1;
    this.#asked += want;
    try {
      const reply = await advance(connection, {
        keys,
        worker: name,
        leaseMs: renewal(),
        want,
        inlineUpTo: INLINE_UP_TO,
        dropped,
        kept,
        quotas: shares.quotas(want),
      });
      this.#acknowledged(dropped, kept);
      if (reply === "LOST") this.lost(name);
      else await this.#take(name, reply, want, wakes);
    } catch (error) {
      // Outcomes under a lease that was lost meanwhile must not be written under the next one.
      if (worker() === name) {
        this.#dropped = [...dropped, ...this.#dropped];
        this.#kept = [...kept, ...this.#kept];
      }
      await this.#pause("claim", error);
    } finally {
      this.#heardAt = performance.now();
      this.#inFlight -= 1;
      this.#asked -= want;
    }
    this.schedule();
  }

  #acknowledged(dropped: readonly string[], kept: readonly KeptJob[]): void {
    for (const id of dropped) this.#held.delete(id);
    for (const job of kept) this.#held.delete(job.id);
  }

  async #take(name: string, reply: Advanced, want: number, wakes: number): Promise<void> {
    const { ids } = reply;
    const { onRest, shares } = this.#ports;
    this.#nextDueMs = reply.nextDueMs;
    if (want > 0) this.#plenty = ids.length === want;
    if (reply.invited.length > 0) this.invite(reply.invited);
    if (ids.length < want && shares.owing.length > 0) shares.forgive();
    // Fewer than asked for: the queues are empty, and whoever fills one leaves a hint. A hint that came while the call was
    // under way may be newer than what the call saw, and nobody repeats it.
    if (want > 0 && ids.length < want && wakes === this.#wakes) {
      this.#idle = true;
      onRest();
    }
    // The lease may have been lost meanwhile; then the jobs are somebody else's by now.
    if (ids.length === 0 || this.#ports.worker() !== name) return;
    this.own(ids);
    await this.#deliver(name, ids, reply.runs, reply.records);
  }

  async #deliver(
    name: string,
    ids: readonly string[],
    knownRuns?: ReadonlyMap<number, string>,
    knownRecords?: readonly (string | null)[],
  ): Promise<void> {
    const { connection, keys, deliver, shares, worker } = this.#ports;
    let [runs, records] = [knownRuns, knownRecords];
    // The ids are ours now: a failing read is tried until it succeeds, or they would stay active for nobody.
    while ((runs === undefined || records === undefined) && !this.#closed) {
      try {
        runs ??= await connection.readRuns(keys, ids);
        records ??= await connection.readRecords(keys, ids);
      } catch (error) {
        await this.#pause("read", error);
      }
    }
    // The lease may have been lost while reading; then the jobs are somebody else's.
    if (runs === undefined || records === undefined || worker() !== name) return;
    // What comes from nobody but those that owe was wanted by no other.
    const { owing } = shares;
    if (owing.length > 0 && records.every((record) => owing.includes(queueOfRecord(record) ?? "")))
      shares.forgive();
    deliver(ids, records, runs);
  }

  async #reconcileNow(): Promise<void> {
    const { connection, keys, worker } = this.#ports;
    this.#reconcile = false;
    this.#reconciling = true;
    this.#inFlight += 1;
    const name = worker();
    // Known before the list is read: an attempt that fails meanwhile is no longer held, and must not be run again.
    const known = new Set(this.#held.keys());
    this.taker.listing();
    try {
      const held = await connection.heldBy(keys, name);
      const unknown = worker() === name ? this.taker.listed(held.filter((id) => !known.has(id))) : [];
      for (const id of unknown) this.#held.set(id, this.#round);
      if (unknown.length > 0) await this.#deliver(name, unknown);
    } catch (error) {
      this.#reconcile = true;
      await this.#pause("reconcile", error);
    } finally {
      this.#inFlight -= 1;
      this.#reconciling = false;
    }
    this.schedule();
  }

  lost(name: string): void {
    if (this.#ports.worker() === name) this.#ports.onLost();
  }

  async #pause(operation: string, error: unknown): Promise<void> {
    if (this.#closed) return;
    processMetrics.count("taskweft_worker_redis_errors_total", { operation });
    this.#ports.logger.warn(`Redis refused a ${operation}; trying again`, { error });
    await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
  }
}
