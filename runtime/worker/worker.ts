/**
 * The part of a worker that serves one shard: assembly of its actors and their life together. Behaviour lives in the actors. With one
 * shard it is the worker; with several, sharded-worker.ts puts them together.
 *
 *   new --start--> running --stop--> stopping (claim nothing, wait for handlers, abort, hand back) --> stopped
 */
import { setTimeout as delay } from "node:timers/promises";
import { Connection, ServerClock, unlessFull } from "../connection/index.js";
import { ShardKeys } from "../protocol/index.js";
import { packageVersion } from "../version.js";
import { BatchAttempt } from "./batch.js";
import { ClaimDemand } from "./claim-demand.js";
import { type Claim, readClaims } from "./claim.js";
import type { Execution } from "./execution.js";
import { Executor } from "./executor.js";
import { Fetcher } from "./fetcher.js";
import { FollowUps } from "./follow-ups.js";
import { HandlerTable } from "./handler-table.js";
import type { Registry } from "./handler.js";
import { Intake } from "./intake.js";
import { Janitor } from "./janitor.js";
import { LeaseKeeper } from "./lease-keeper.js";
import { declareLimits, mostOfClaim } from "./limits.js";
import { Notebook } from "./notebook.js";
import { OutcomeRecorder } from "./outcome-recorder.js";
import { QueueShares } from "./queue-shares.js";
import { Reaper } from "./reaper.js";
import { Scheduler } from "./scheduler.js";
import { declareQueues } from "./served-queues.js";
import { ONLY_PLACE, type ShardPlace } from "./shard-place.js";
import { type Share, SharedSlots, type SlotUser } from "./shared-slots.js";
import { waitForRedis } from "./wait-for-redis.js";
import { Waker } from "./waker.js";
import { Workflows } from "./workflows.js";
import { type Home, stoppedWhileStarting, type Worker, type WorkerPart } from "./worker-part.js";
import { type ResolvedWorkerOptions, type WorkerOptions, resolveWorkerOptions } from "./worker-options.js";

/** Longest time that a stopping worker waits for Redis once its handlers have ended (ms). */
const GIVE_UP_LIMIT_MS = 5000;
const DEAD_KEEP_MS = 90 * 86_400_000;

export class ShardWorker implements Worker {
  readonly #registry: Registry;
  readonly #options: ResolvedWorkerOptions;
  readonly #keys: ShardKeys;
  readonly #clock = new ServerClock();
  readonly #connection: Connection;
  readonly #handlers: HandlerTable;
  readonly #executor: Executor;
  readonly #fetcher: Fetcher;
  readonly #recorder: OutcomeRecorder;
  readonly #leaseKeeper: LeaseKeeper;
  readonly #intake: Intake;
  readonly #notebook: Notebook;
  readonly #reaper: Reaper;
  readonly #janitor: Janitor;
  readonly #scheduler: Scheduler;
  readonly #demand: ClaimDemand;
  readonly #workflows: Workflows;
  readonly #share: Share;
  readonly #place: ShardPlace;
  readonly #part: WorkerPart | undefined;
  #begun = false;
  #waker: Waker | undefined;
  #stopping: Promise<void> | undefined;

  constructor(registry: Registry, options: WorkerOptions = {}, part?: WorkerPart) {
    this.#registry = registry;
    this.#options = resolveWorkerOptions(options, registry.queues);
    this.#place = part?.place ?? ONLY_PLACE;
    const { connection, concurrency, queues, claimAheadMs, logger, random } = this.#options;
    this.#keys = new ShardKeys(this.#options.prefix, this.#place.shard);
    this.#connection = new Connection(connection, "worker", this.#keys);
    this.#handlers = part?.handlers ?? new HandlerTable(registry, this.#options);
    this.#part = part;
    this.#share = (part?.slots ?? new SharedSlots(concurrency)).join(this.#slotUser());
    const { claimable } = this.#share;
    const maxBatch = mostOfClaim(registry);
    this.#demand = new ClaimDemand({ concurrency, claimable, claimAheadMs, maxBatch });
    const names = queues.map((queue) => queue.name);
    const worker = (): string => this.#leaseKeeper.name;
    const { maxResultCharacters } = this.#options;
    const base = { connection: this.#connection, keys: this.#keys, logger, maxResultCharacters };
    this.#reaper = new Reaper({ ...base, deadKeepMs: DEAD_KEEP_MS });
    this.#janitor = new Janitor({ ...base, sweepRuns: () => this.#workflows.sweep() });
    this.#scheduler = new Scheduler({ ...base, registry, random, place: this.#place });
    this.#leaseKeeper = new LeaseKeeper({
      ...base,
      clock: this.#clock,
      connectionOptions: connection,
      leaseMs: this.#options.leaseMs,
      maxBlockMs: this.#options.maxBlockMs,
      thread: part?.thread,
      part: this.#place.shard,
      about: {
        pid: process.pid,
        version: packageVersion(),
        concurrency,
        queues: names,
        ...(part === undefined ? {} : { process: part.process, shard: this.#place.shard }),
      },
      busy: () => this.#intake.busy,
      asleepFor: () => (this.#fetcher.asleep ? names : []),
      onWork: (inMs) => this.#waker?.wait(inMs),
      onCancel: (id) => this.#intake.cancel(id),
      onExpiredWorkers: (workers) => this.#reaper.reap(workers),
      onLost: () => this.#onLost(),
      onRegained: () => this.#claimAgain(),
      onLasting: () => this.#intake.look(),
    });
    this.#fetcher = new Fetcher({
      ...base,
      shares: new QueueShares(queues),
      demand: this.#demand,
      maxBatch,
      worker,
      renewal: () => this.#leaseKeeper.renewal(),
      running: () => this.#intake.slots,
      waiting: () => this.#intake.waiting + this.#workflows.preparing,
      gathering: () => this.#intake.room,
      blocking: () => this.#intake.blocking,
      deliver: (ids, records, runs) => this.#deliver(ids, records, runs),
      onRest: this.#share.freed,
      onIdle: (nextDueMs) => this.#waker?.wait(nextDueMs),
      onLost: () => this.#leaseKeeper.lost(),
    });
    this.#workflows = new Workflows({
      ...base,
      registry,
      worker,
      now: () => this.#clock.now(),
      fetcher: this.#fetcher,
      queues,
      handlers: this.#handlers,
      ready: (claims) => {
        const mayBeSuspect = claims.some(({ run }) => run.crashes > 0);
        this.#start(claims, mayBeSuspect);
        // What was prepared counted as work in hand, and may have ended there.
        this.#fetcher.schedule();
      },
      quarantine: (claim) => this.#recorder.quarantined(claim),
      halt: (claim) => this.#recorder.halted(claim, this.#handlers.get(claim.record.task)?.contract),
      onFree: () => {
        this.look();
        this.#share.freed();
      },
      onLost: () => this.#leaseKeeper.lost(),
    });
    this.#recorder = new OutcomeRecorder({
      ...base,
      clock: this.#clock,
      random,
      worker,
      fetcher: this.#fetcher,
      reaper: this.#reaper,
      workflows: this.#workflows,
      followUps: new FollowUps({
        registry,
        homeOf: part?.homeOf ?? ((id) => ({ ...this.home, id })),
      }),
      keepCompletedMs: this.#options.retentionCompletedMs,
    });
    this.#notebook = new Notebook({
      ...base,
      worker,
      keepsLines: this.#options.keepsJobLog,
      now: () => this.#clock.now(),
      onLost: () => this.#leaseKeeper.lost(),
    });
    this.#executor = new Executor({
      handlers: this.#handlers,
      sink: this.#recorder,
      notebook: this.#notebook,
      logger,
      worker,
      now: (monotonicMs) => this.#clock.now(monotonicMs),
      onEnded: (execution, durationMs, now) => this.#ended(execution, durationMs, now),
    });
    this.#intake = new Intake({
      ...base,
      concurrency: this.#share.startable,
      shared: this.#share.suspects,
      handlers: this.#handlers,
      executor: this.#executor,
      notebook: this.#notebook,
      worker,
      now: () => this.#clock.now(),
      preparing: () => this.#workflows.preparing,
      leaseLasts: () => this.#leaseKeeper.lasts(),
      giveBack: (ids) => this.#recorder.returned(ids),
      onStuck: () => this.#demand.stuck(),
      onCancelled: (execution) => this.#recorder.cancelled(execution),
      onClosed: () => this.#fetcher.stopClaiming(),
      onOpen: () => this.#claimAgain(),
      onLost: () => this.#leaseKeeper.lost(),
    });
  }

  #slotUser(): SlotUser {
    return {
      running: () => this.#intake.slots,
      coming: () => this.#intake.waiting + this.#workflows.preparing + this.#fetcher.asked,
      hungry: () => this.#fetcher.hungry,
      busy: () => this.#executor.running,
      look: () => this.look(),
      close: () => this.#intake.close(),
      open: () => {
        this.#claimAgain();
        this.#intake.look();
      },
    };
  }

  /** A slot may be free. */
  look(): void {
    this.#fetcher.schedule();
    this.#intake.look();
  }

  /** Where its jobs are. Of a part, the whole ends the connection: other parts may write there after this one has stopped. */
  get home(): Home {
    return { connection: this.#connection, keys: this.#keys };
  }

  get slotsUsed(): number {
    return this.#intake.slots;
  }

  get name(): string {
    return this.#leaseKeeper.name;
  }

  async start(): Promise<this> {
    try {
      await this.#prepare();
    } catch (error) {
      // Nothing is held yet: an open connection would only keep the process.
      if (this.#part === undefined) this.#connection.disconnect();
      if (this.#stopping !== undefined) throw stoppedWhileStarting();
      this.#stopping = Promise.resolve();
      throw error;
    }
    this.#begin();
    return this;
  }

  async #prepare(): Promise<void> {
    const { queues } = this.#options;
    await this.#handlers.preload(new Set(queues.map((queue) => queue.name)));
    this.#assertNotStopped();
    await waitForRedis(this.#connection, this.#keys, this.#place.router.count, this.#options.logger);
    this.#assertNotStopped();
    await declareQueues(this.home, this.#options, this.#registry.queues, this.#part?.queuesKnown);
    await unlessFull(declareLimits(this.#connection, this.#keys, this.#registry));
    this.#assertNotStopped();
    await this.#leaseKeeper.start();
    this.#assertNotStopped();
  }

  #assertNotStopped(): void {
    if (this.#stopping !== undefined) throw stoppedWhileStarting();
  }

  #begin(): void {
    const { concurrency, connection, logger } = this.#options;
    const queues = this.#options.queues.map((queue) => queue.name);
    this.#connection.onReconnect(() => this.#fetcher.reconcile());
    this.#waker = new Waker(connection, {
      keys: this.#keys,
      queues,
      fetcher: this.#fetcher,
      isAlone: this.#part === undefined,
      full: () => this.#intake.full,
      logger,
    });
    this.#janitor.start();
    this.#scheduler.start();
    this.#begun = true;
    this.#claimAgain();
    logger.info("worker started", { worker: this.name, concurrency, queues: queues.join(",") });
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { graceMs, logger } = this.#options;
    this.#fetcher.stopClaiming();
    void this.#scheduler.stop();
    void this.#waker?.close();
    logger.info("worker stops", { worker: this.name, running: this.#executor.running, graceMs });
    // Claimed jobs that have not started go back at once, so that others can run them during the grace.
    this.#recorder.returned(this.#intake.takeIds());
    await this.#waitForHandlers(graceMs);
    // A Redis that is gone must not keep the process: the lease ends by itself, and others take the jobs back.
    const giveUp = async (): Promise<true> => {
      if (this.#leaseKeeper.isStarted) await this.#giveUpEverything();
      return true;
    };
    const complete = await Promise.race([giveUp(), delay(GIVE_UP_LIMIT_MS, false, { ref: false })]);
    // Again where giving up did not get so far: their timers would go on for ever.
    void this.#leaseKeeper.stop();
    void this.#janitor.stop();
    this.#fetcher.close();
    this.#recorder.close();
    this.#workflows.close();
    this.#notebook.close();
    this.#executor.stop();
    this.#intake.stop();
    if (this.#part === undefined) {
      this.#handlers.close();
      this.#connection.disconnect();
    }
    const worker = this.name;
    if (complete) logger.info("worker stopped", { worker });
    else logger.error("worker stopped without Redis; its jobs run again when its lease ends", { worker });
  }

  /** The lease goes last: until then everything that is written is still the worker's own. */
  async #giveUpEverything(): Promise<void> {
    try {
      await this.#workflows.settled();
      await this.#notebook.lines.finish();
      await this.#recorder.settled();
      await this.#fetcher.settled();
      await this.#leaseKeeper.registered();
      await this.#janitor.stop();
      await this.#scheduler.stop();
      await this.#reaper.settled();
      await this.#waker?.close();
      await this.#leaseKeeper.stop();
      await this.#reaper.handBack(this.name, await this.#connection.heldBy(this.#keys, this.name));
    } catch (error) {
      this.#options.logger.error("giving up the lease failed; it ends by itself", {
        worker: this.name,
        error,
      });
    }
  }

  async #waitForHandlers(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const graceOver = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    await Promise.race([this.#executor.idle(), graceOver]);
    clearTimeout(timer);
    this.#executor.abortForShutdown();
    await this.#executor.idle();
  }

  #deliver(
    ids: readonly string[],
    records: readonly (string | null)[],
    runs: ReadonlyMap<number, string>,
  ): void {
    const { claims, holes, unreadable } = readClaims(ids, records, runs);
    const [firstQueue] = this.#options.queues;
    if (holes.length > 0) this.#recorder.discard(holes, firstQueue?.name ?? "");
    for (const { id, reason } of unreadable) {
      this.#options.logger.error("a claimed job cannot be read; it stays with this worker until it stops", {
        job: id,
        reason,
      });
    }
    this.#start(this.#workflows.sift(claims), runs.size > 0);
  }

  #start(claims: readonly Claim[], mayBeSuspect: boolean): void {
    if (this.#stopping !== undefined) {
      this.#recorder.returned(claims.map((claim) => claim.id));
      return;
    }
    const wasIdle = !this.#intake.busy;
    this.#intake.take(claims, mayBeSuspect);
    if (wasIdle && this.#intake.busy) this.#leaseKeeper.hurry();
  }

  #ended(execution: Execution, durationMs: number, now: number): void {
    // How long a batch takes says nothing of how many single jobs to claim ahead.
    if (!(execution instanceof BatchAttempt)) this.#demand.finished(durationMs, now);
    this.#fetcher.schedule();
    this.#intake.ended(execution);
    this.#share.freed();
  }

  #onLost(): void {
    this.#fetcher.stopClaiming();
    this.#intake.abandon();
    this.#fetcher.abandon();
    this.#workflows.abandon();
    this.#executor.abandonAll();
  }

  #claimAgain(): void {
    if (this.#begun && this.#stopping === undefined && this.#intake.open) this.#fetcher.startClaiming();
  }
}
