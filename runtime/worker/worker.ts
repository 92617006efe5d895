/**
 * The life of the part of a worker that serves one shard. With one shard this part is the whole worker; with
 * several, sharded-worker.ts puts the parts together. part-actors.ts makes the actors, and they do the work.
 *
 *   new --start--> running --stop--> stopping --> stopped
 *   stopping: claim nothing, wait for handlers, abort the rest, hand jobs back
 */
import { setTimeout as delay } from "node:timers/promises";
import { assertSuitable, isRefusedForNow, joinShard, unlessFull } from "../connection/index.js";
import { BatchAttempt } from "./attempts/batch.js";
import { type Claim, readClaims } from "./claims/claim.js";
import type { Execution } from "./attempts/execution.js";
import type { Registry } from "./handler.js";
import { declareLimits } from "./limits.js";
import { PartActors } from "./part-actors.js";
import { declareQueues } from "./served-queues.js";
import { tellingOfWaits } from "./telling-of-waits.js";
import { Waker } from "./claims/waker.js";
import { type Home, stoppedWhileStarting, type Worker, type WorkerPart } from "./worker-part.js";
import { type ResolvedWorkerOptions, type WorkerOptions, resolveWorkerOptions } from "./worker-options.js";

/** Longest time that a stopping worker waits for Redis once its handlers have ended (ms). */
const GIVE_UP_LIMIT_MS = 5000;
/** Time from a reconnect until the jobs of this worker are listed again (ms); Linux sends again for 100 s. */
const SECOND_LOOK_MS = 120_000;
/** Pause before a shard that refuses this worker is asked again (ms). */
const REFUSAL_PAUSE_MS = 1000;

export class ShardWorker implements Worker {
  readonly #registry: Registry;
  readonly #options: ResolvedWorkerOptions;
  readonly #part: WorkerPart | undefined;
  readonly #actors: PartActors;
  #begun = false;
  #waker: Waker | undefined;
  #secondLook: NodeJS.Timeout | undefined;
  #stopping: Promise<void> | undefined;

  constructor(registry: Registry, options: WorkerOptions = {}, part?: WorkerPart) {
    this.#registry = registry;
    this.#options = resolveWorkerOptions(options, registry.queues);
    this.#part = part;
    this.#actors = new PartActors(registry, this.#options, part, {
      deliver: (ids, records, runs) => this.#deliver(ids, records, runs),
      ready: (claims) => this.#startPrepared(claims),
      ended: (execution, durationMs, now) => this.#ended(execution, durationMs, now),
      lost: () => this.#abandonEverything(),
      claimAgain: () => this.#claimAgain(),
      regained: () => this.#regained(),
      look: () => this.look(),
      sleep: (nextDueMs) => this.#waker?.wait(nextDueMs),
    });
  }

  /**
   * The connection and keys of this shard. A worker of several parts closes all connections itself, because
   * another part may still write here after this one has stopped.
   */
  get home(): Home {
    return this.#actors.home;
  }

  get slotsUsed(): number {
    return this.#actors.intake.slots;
  }

  get name(): string {
    return this.#actors.leaseKeeper.name;
  }

  async start(): Promise<this> {
    try {
      await this.#prepare();
    } catch (error) {
      // Nothing is held yet, and an open connection would keep the process alive.
      if (this.#part === undefined) this.home.connection.disconnect();
      if (this.#stopping !== undefined) throw stoppedWhileStarting();
      this.#stopping = Promise.resolve();
      throw error;
    }
    this.#begin();
    return this;
  }

  async #prepare(): Promise<void> {
    const { logger, queues } = this.#options;
    const { handlers, leaseKeeper } = this.#actors;
    await handlers.preload(new Set(queues.map((queue) => queue.name)));
    this.#assertNotStopped();
    await tellingOfWaits(this.home.connection, logger, async () => {
      while (!(await this.#declare())) await delay(REFUSAL_PAUSE_MS, undefined, { ref: false });
      await leaseKeeper.start();
    });
    this.#assertNotStopped();
  }

  /**
   * False where Redis has refused it for now: a shard that comes back may do so for a moment, and nobody would
   * start this part again. Of a worker with one shard the process ends, and whoever watches it starts it again.
   */
  async #declare(): Promise<boolean> {
    const { logger } = this.#options;
    const { connection, keys } = this.home;
    try {
      await assertSuitable(connection.redis, keys, this.#actors.place.router.count);
      this.#assertNotStopped();
      await declareQueues(this.home, this.#options, this.#registry.queues, this.#part?.queuesKnown);
      await unlessFull(declareLimits(connection, keys, this.#registry));
      return true;
    } catch (error) {
      if (this.#part === undefined || !isRefusedForNow(error)) throw error;
      logger.warn("a shard refuses this worker for now; trying again", { url: connection.address, error });
      return false;
    } finally {
      this.#assertNotStopped();
    }
  }

  #assertNotStopped(): void {
    if (this.#stopping !== undefined) throw stoppedWhileStarting();
  }

  #begin(): void {
    const { concurrency, connection, logger } = this.#options;
    const { fetcher, intake, janitor, scheduler } = this.#actors;
    const queues = this.#options.queues.map((queue) => queue.name);
    const reconnected = (): void => this.#reconnected();
    this.home.connection.onReconnect(reconnected);
    this.#waker = new Waker(connection, {
      keys: this.home.keys,
      queues,
      fetcher,
      reconnected,
      isAlone: this.#part === undefined,
      full: () => intake.full,
      logger,
    });
    janitor.start();
    scheduler.start();
    this.#begun = true;
    this.#claimAgain();
    logger.info("worker started", { worker: this.name, concurrency, queues: queues.join(",") });
  }

  /**
   * A reply that was lost may have claimed jobs. So may a call that reaches Redis much later on the lost
   * connection, because a proxy, or the operating system for TLS, has kept it.
   */
  #reconnected(): void {
    const { fetcher } = this.#actors;
    fetcher.reconcile();
    clearTimeout(this.#secondLook);
    this.#secondLook = setTimeout(() => {
      fetcher.reconcile();
    }, SECOND_LOOK_MS).unref();
  }

  /** A slot may be free: claim and start what fits. */
  look(): void {
    this.#actors.fetcher.schedule();
    this.#actors.intake.look();
  }

  #claimAgain(): void {
    const { fetcher, intake } = this.#actors;
    if (this.#begun && this.#stopping === undefined && intake.open) fetcher.startClaiming();
  }

  #regained(): void {
    this.#claimAgain();
    void this.#registerAgain();
  }

  /**
   * The lease may have been lost with all data of Redis (FLUSHALL, a restart without persistence). The queues are
   * stored again where they are missing, so that tools know them. Limits come back with the next enqueues.
   */
  async #registerAgain(): Promise<void> {
    const { connection, keys } = this.home;
    const { queues, logger } = this.#options;
    try {
      await joinShard(connection.redis, keys, this.#actors.place.router.count);
      for (const { name, weight } of queues)
        await unlessFull(connection.redis.hsetnx(keys.meta, `queue:${name}`, weight));
    } catch (error) {
      if (this.#stopping === undefined) logger.warn("registering the queues again failed", { error });
    }
  }

  #deliver(
    ids: readonly string[],
    records: readonly (string | null)[],
    runs: ReadonlyMap<number, string>,
  ): void {
    const { recorder, workflows } = this.#actors;
    const { claims, holes, unreadable } = readClaims(ids, records, runs);
    const [firstQueue] = this.#options.queues;
    if (holes.length > 0) recorder.discard(holes, firstQueue?.name ?? "");
    for (const { id, reason } of unreadable) {
      this.#options.logger.error("a claimed job cannot be read; it stays with this worker until it stops", {
        job: id,
        reason,
      });
    }
    this.#start(workflows.sift(claims), runs.size > 0);
  }

  #startPrepared(claims: readonly Claim[]): void {
    const mayBeSuspect = claims.some(({ run }) => run.crashes > 0);
    this.#start(claims, mayBeSuspect);
    // Steps that were being prepared counted as jobs in hand, and some of them may have ended without
    // starting.
    this.#actors.fetcher.schedule();
  }

  #start(claims: readonly Claim[], mayBeSuspect: boolean): void {
    const { intake, leaseKeeper, recorder } = this.#actors;
    if (this.#stopping !== undefined) {
      recorder.returned(claims.map((claim) => claim.id));
      return;
    }
    const wasIdle = !intake.busy;
    intake.take(claims, mayBeSuspect);
    if (wasIdle && intake.busy) leaseKeeper.hurry();
  }

  #ended(execution: Execution, durationMs: number, now: number): void {
    const { demand, fetcher, intake, share } = this.#actors;
    // The duration of a batch says nothing about how many single jobs to claim ahead.
    if (!(execution instanceof BatchAttempt)) demand.finished(durationMs, now);
    fetcher.schedule();
    intake.ended(execution);
    share.freed();
  }

  #abandonEverything(): void {
    const { executor, fetcher, intake, workflows } = this.#actors;
    fetcher.stopClaiming();
    intake.abandon();
    fetcher.abandon();
    workflows.abandon();
    executor.abandonAll();
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { graceMs, logger } = this.#options;
    const { executor, fetcher, intake, leaseKeeper, recorder, scheduler } = this.#actors;
    fetcher.stopClaiming();
    void scheduler.stop();
    void this.#waker?.close();
    logger.info("worker stops", { worker: this.name, running: executor.running, graceMs });
    // Claimed jobs that have not started go back at once, so that other workers can run them during the grace
    // time.
    recorder.returned(intake.takeIds());
    await this.#waitForHandlers(graceMs);
    // Redis may be gone, and must not keep the process alive: then the lease expires and other workers take
    // the jobs.
    const giveUp = async (): Promise<true> => {
      if (leaseKeeper.isStarted) await this.#giveUpEverything();
      return true;
    };
    const complete = await Promise.race([giveUp(), delay(GIVE_UP_LIMIT_MS, false, { ref: false })]);
    this.#closeActors();
    const worker = this.name;
    if (complete) logger.info("worker stopped", { worker });
    else logger.error("worker stopped without Redis; its jobs run again when its lease ends", { worker });
  }

  async #waitForHandlers(graceMs: number): Promise<void> {
    const { executor } = this.#actors;
    let timer: NodeJS.Timeout | undefined;
    const graceOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([executor.idle(), graceOver]);
    clearTimeout(timer);
    executor.abortForShutdown();
    await executor.idle();
  }

  /** The lease goes last: until then this worker owns everything that the other actors still write. */
  async #giveUpEverything(): Promise<void> {
    const { fetcher, janitor, leaseKeeper, notebook, reaper, recorder, scheduler, workflows } = this.#actors;
    const { connection, keys } = this.home;
    try {
      await workflows.settled();
      await notebook.lines.finish();
      await recorder.settled();
      await fetcher.settled();
      await leaseKeeper.registered();
      await janitor.stop();
      await scheduler.stop();
      await reaper.settled();
      await this.#waker?.close();
      await leaseKeeper.stop();
      await reaper.handBack(this.name, await connection.heldBy(keys, this.name));
    } catch (error) {
      this.#options.logger.error("giving up the lease failed; it will expire", {
        worker: this.name,
        error,
      });
    }
  }

  #closeActors(): void {
    const { executor, fetcher, handlers, intake, janitor, leaseKeeper, notebook, recorder, workflows } =
      this.#actors;
    // When giving up the lease took too long, these two still run, and their timers would never end.
    void leaseKeeper.stop();
    void janitor.stop();
    fetcher.close();
    recorder.close();
    workflows.close();
    notebook.close();
    executor.stop();
    intake.stop();
    if (this.#part !== undefined) return;
    handlers.close();
    this.home.connection.disconnect();
  }
}
