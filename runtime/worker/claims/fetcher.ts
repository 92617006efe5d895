/**
 * Calls `advance.lua` for a worker: one script acknowledges, renews, promotes and claims in one round trip.
 *
 *   looking --(nothing there)--> idle --(woken: hint, due time, heartbeat)--> looking
 *   looking/idle --(reconnected)--> reconciling --> looking
 *   any --(stopClaiming)--> settling: acknowledgements only
 *
 * At most MAX_IN_FLIGHT calls overlap. Acknowledgements ride with the next claim; they travel alone only when
 * there is nothing to claim and no call is under way.
 */
import type { Connection } from "../../connection/index.js";
import { processMetrics } from "../../metrics/index.js";
import { queueOfRecord } from "../../protocol/index.js";
import { type Advanced, type KeptJob, advance } from "../../scripts/index.js";
import { Acknowledgements, type Acks } from "./acknowledgements.js";
import type { ClaimDemand } from "./claim-demand.js";
import type { Claim } from "./claim.js";
import type { Logger } from "../handler.js";
import { leaveHints } from "./hints.js";
import type { QueueShares } from "./queue-shares.js";
import { Taker, type TakerPorts } from "./taker.js";

const MAX_IN_FLIGHT = 2;
/**
 * A claim of at most this many jobs returns their texts too, which saves a round trip. More are read by
 * HMGET, which is cheaper for Redis than a script.
 */
const INLINE_UP_TO = 16;
/** Pause after a failed call (ms): a Redis that refuses must not be called thousands of times a second. */
const ERROR_PAUSE_MS = 250;
/** After this long without an answer (ms) the parts of a worker that serve other shards may use the slots. */
export const SILENCE_MS = 1000;

export interface FetcherPorts extends TakerPorts {
  readonly connection: Connection;
  readonly shares: QueueShares;
  readonly demand: ClaimDemand;
  readonly maxBatch: number;
  readonly logger: Logger;
  /** Lease to write with this call (ms); 0 when the last renewal is recent enough. */
  readonly renewal: () => number;
  /** Jobs that fit into batches that are gathering. */
  readonly gathering: () => number;
  /** Called when Redis has reported that the queues are empty. */
  readonly onRest: () => void;
  /** Nothing to do: wait for a hint, at most `nextDueMs` (-1 = no due time is known). */
  readonly onIdle: (nextDueMs: number) => void;
  readonly onLost: () => void;
}

export class Fetcher {
  readonly taker: Taker;
  readonly #ports: FetcherPorts;
  readonly #acks = new Acknowledgements();
  /** Ids that this worker holds -> the round in which it claimed them. */
  readonly #held = new Map<string, number>();
  #round = 0;
  #inFlight = 0;
  /** Calls of other actors under way that may claim jobs. */
  #beside = 0;
  #asked = 0;
  /** When a call was last answered, or sent while none was under way (local monotonic time). */
  #heardAt = 0;
  #idle = false;
  /** The newest claim returned as many jobs as it asked for. */
  #plenty = false;
  /**
   * Counts wake-ups. An empty reply to a call sent before the latest wake-up does not mean that the queues
   * are empty.
   */
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

  /**
   * Like `wake`, but without waiting for the end of this turn of the event loop: a hint means that a job is
   * waiting.
   */
  hinted(): void {
    this.#idle = false;
    this.#wakes += 1;
    this.#look();
  }

  /**
   * Something changed here (a slot is free, an acknowledgement waits). Coalesced to one look for each turn of
   * the event loop.
   */
  schedule(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#look();
    });
  }

  completed(id: string): void {
    this.#acks.drop(id);
  }

  completedAndKept(job: KeptJob): void {
    this.#acks.keep(job);
  }

  /** True while this fetcher claims and has not been told that the queues are empty. */
  get hungry(): boolean {
    return this.#claiming && !this.#idle && !this.#closed && !this.#isSilent;
  }

  /**
   * True while this fetcher would claim, has been told that the queues are empty, and waits for a wake-up.
   * False while the texts of the last jobs are being read: jobs claimed meanwhile would overtake them.
   */
  get asleep(): boolean {
    return this.#claiming && this.#idle && this.#asked === 0 && !this.#closed;
  }

  /** True while the jobs that this worker holds are read, or are about to be. */
  get reconciles(): boolean {
    return this.#reconcile || this.#reconciling;
  }

  /** Jobs requested in calls that are about to be answered. */
  get asked(): number {
    return this.#isSilent ? 0 : this.#asked;
  }

  /** Redis has not answered for so long that no slots must be kept for its answer. */
  get #isSilent(): boolean {
    return this.#inFlight > 0 && performance.now() - this.#heardAt > SILENCE_MS;
  }

  /** Number of the latest claim. */
  get round(): number {
    return this.#round;
  }

  /**
   * Runs a call of another actor that may claim jobs for this worker, if it is allowed to; the actor reports
   * them with `hold`. If the reply is lost, nobody knows which jobs were claimed, so the worker reconciles.
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

  /** This worker holds these jobs from now on. */
  own(ids: readonly string[]): void {
    this.#round += 1;
    for (const id of ids) this.#held.set(id, this.#round);
  }

  /** Another script settled the job. @param upTo keep the job when it was claimed again after this round. */
  forget(id: string, upTo: number): void {
    if ((this.#held.get(id) ?? Infinity) <= upTo) this.#held.delete(id);
  }

  /** The lease is lost: nothing that was held or finished under it may be written any more. */
  abandon(): void {
    this.#acks.clear();
    this.#held.clear();
  }

  /**
   * Replies may have been lost with the connection: find the jobs that this worker holds without knowing it.
   */
  reconcile(): void {
    this.#reconcile = true;
    this.wake();
  }

  /** A job of one of these queues may pass the gate: a worker that serves the queue has to look. */
  invite(queues: readonly string[]): void {
    const others = queues.filter((queue) => !this.#ports.shares.serves(queue));
    if (others.length < queues.length) this.wake();
    if (others.length > 0) void leaveHints(this.#ports, others);
  }

  /** Resolves when every acknowledgement has been answered. */
  async settled(): Promise<void> {
    while (this.#inFlight > 0 || this.#acks.count > 0) {
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
      // No other call may be under way: a claim that is answered while the list is read would look like one
      // whose reply was lost, and its jobs would run twice.
      if (this.#inFlight + this.#beside === 0) void this.#reconcileNow();
      return;
    }
    while (this.#inFlight < MAX_IN_FLIGHT) {
      const want = this.#want();
      const { count, overflow } = this.#acks;
      if (want === 0 && count === 0) break;
      if (want === 0 && this.#inFlight > 0 && count < this.#ports.maxBatch / 2 && !overflow) break;
      void this.#call(want);
    }
    if (this.#idle && this.#claiming) this.#ports.onIdle(this.#nextDueMs);
    if (this.#inFlight === 0) for (const resolve of this.#onSettled.splice(0)) resolve();
  }

  #want(): number {
    if (!this.#claiming || this.#idle || this.#acks.overflow) return 0;
    // After a wake-up only one call claims: Redis would answer both together, and the second would find only
    // what the first has left.
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
    const acks = this.#acks.take(maxBatch);
    const name = worker();
    const wakes = this.#wakes;
    const round = this.#round;
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
        ...acks,
        quotas: shares.quotas(want),
      });
      this.#acknowledged(acks, round);
      if (reply === "LOST") this.lost(name);
      else await this.#take(name, reply, want, wakes);
    } catch (error) {
      // Outcomes under a lease that was lost meanwhile must not be written under the next one.
      if (worker() === name) this.#acks.putBack(acks);
      // The script may have claimed jobs all the same.
      if (want > 0) this.#reconcile = true;
      await this.#pause("claim", "claiming jobs", error);
    } finally {
      this.#heardAt = performance.now();
      this.#inFlight -= 1;
      this.#asked -= want;
    }
    this.schedule();
  }

  #acknowledged({ dropped, kept }: Acks, upTo: number): void {
    for (const id of dropped) this.forget(id, upTo);
    for (const { id } of kept) this.forget(id, upTo);
  }

  async #take(name: string, reply: Advanced, want: number, wakes: number): Promise<void> {
    const { ids } = reply;
    const { onRest, shares } = this.#ports;
    this.#nextDueMs = reply.nextDueMs;
    if (want > 0) this.#plenty = ids.length === want;
    if (reply.invited.length > 0) this.invite(reply.invited);
    if (ids.length < want && shares.owing.length > 0) shares.forgive();
    // Fewer jobs than asked for: the queues are empty, and whoever fills one leaves a hint. But a hint that
    // arrived during the call may be newer than what the call saw, and it is not repeated.
    if (want > 0 && ids.length < want && wakes === this.#wakes) {
      this.#idle = true;
      onRest();
    }
    // The lease may have been lost meanwhile; then other workers may hold these jobs by now. And a call that
    // was sent twice may have claimed what a hand-back behind it, sent twice as well, took back again.
    if (ids.length === 0 || this.#ports.worker() !== name || this.#reconcile) return;
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
    // This worker holds the jobs now: a failed read is repeated until it succeeds, or they would stay active
    // without running.
    while ((runs === undefined || records === undefined) && !this.#closed) {
      try {
        runs ??= await connection.readRuns(keys, ids);
        records ??= await connection.readRecords(keys, ids);
      } catch (error) {
        await this.#pause("read", "reading claimed jobs", error);
      }
    }
    // The lease may have been lost during the read; then other workers may hold these jobs by now.
    if (runs === undefined || records === undefined || worker() !== name) return;
    // Only queues over their share had jobs, so no other queue was waiting for these places.
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
    // Taken before the list is read: an attempt that fails meanwhile is no longer held, and must not run
    // again.
    const known = new Set(this.#held.keys());
    this.taker.listing();
    try {
      const held = await connection.heldBy(keys, name);
      const unknown = worker() === name ? this.taker.listed(held.filter((id) => !known.has(id))) : [];
      this.own(unknown);
      // Settled during the listing: what was listed may be a newer claim of it.
      if (held.some((id) => known.has(id) && !this.#held.has(id))) this.#reconcile = true;
      if (unknown.length > 0) await this.#deliver(name, unknown);
    } catch (error) {
      this.#reconcile = true;
      await this.#pause("reconcile", "listing the jobs of this worker", error);
    } finally {
      this.#inFlight -= 1;
      this.#reconciling = false;
    }
    this.schedule();
  }

  lost(name: string): void {
    if (this.#ports.worker() === name) this.#ports.onLost();
  }

  async #pause(operation: string, doing: string, error: unknown): Promise<void> {
    if (this.#closed) return;
    processMetrics.count("taskweft_worker_redis_errors_total", { operation });
    this.#ports.logger.warn(`${doing} failed; trying again`, { error });
    await new Promise((resolve) => setTimeout(resolve, ERROR_PAUSE_MS));
  }
}
