/**
 * Makes the actors that serve one shard and connects them to one another. Nothing here runs by itself:
 * worker.ts starts and stops the actors and decides what the part does in between.
 */
import { hostname } from "node:os";
import { Connection, ServerClock } from "../connection/index.js";
import { DEFAULT_RETENTION } from "../definition/index.js";
import { ShardKeys } from "../protocol/index.js";
import { packageVersion } from "../version.js";
import { ClaimDemand } from "./claims/claim-demand.js";
import type { Claim } from "./claims/claim.js";
import type { Execution } from "./attempts/execution.js";
import { Executor } from "./attempts/executor.js";
import { Fetcher, type FetcherPorts } from "./claims/fetcher.js";
import { FollowUps } from "./attempts/follow-ups.js";
import { HandlerTable } from "./attempts/handler-table.js";
import type { Registry } from "./handler.js";
import { Intake } from "./attempts/intake.js";
import { Janitor } from "./janitor.js";
import { LeaseKeeper } from "./leases/lease-keeper.js";
import { mostOfClaim } from "./limits.js";
import { Notebook } from "./attempts/notebook.js";
import { OutcomeRecorder } from "./outcome-recorder.js";
import { QueueShares } from "./claims/queue-shares.js";
import { Reaper } from "./leases/reaper.js";
import { Scheduler } from "./schedules/scheduler.js";
import { ONLY_PLACE, type ShardPlace } from "./shard-place.js";
import { type Share, SharedSlots } from "./claims/shared-slots.js";
import { Workflows } from "./runs/workflows.js";
import type { Home, WorkerPart } from "./worker-part.js";
import type { ResolvedWorkerOptions } from "./worker-options.js";

/**
 * What the actors report to the part that they serve; only the part knows whether it has started or is
 * stopping.
 */
export interface PartLife {
  /** Redis answered a claim. */
  readonly deliver: FetcherPorts["deliver"];
  /** The payloads of these claimed steps have been computed. */
  readonly ready: (claims: readonly Claim[]) => void;
  readonly ended: (execution: Execution, durationMs: number, now: number) => void;
  /** The lease was lost: nothing that was held under it may go on. */
  readonly lost: () => void;
  /** Whatever kept the part from claiming is over. */
  readonly claimAgain: () => void;
  /** A lease is held again, under another name. */
  readonly regained: () => void;
  /** A slot may be free. */
  readonly look: () => void;
  /** The queues are empty: sleep until a hint, or for `nextDueMs` milliseconds (-1: no due time is known). */
  readonly sleep: (nextDueMs: number) => void;
}

/** The options that most actors take. */
interface Base extends Home {
  readonly logger: ResolvedWorkerOptions["logger"];
  readonly maxResultCharacters: number;
  /** The name of the lease. A function, because a lost lease is followed by one with another name. */
  readonly worker: () => string;
  readonly onLost: () => void;
}

export class PartActors {
  readonly clock = new ServerClock();
  readonly home: Home;
  readonly place: ShardPlace;
  readonly handlers: HandlerTable;
  /** This part's share of the slots of the process. */
  readonly share: Share;
  readonly demand: ClaimDemand;
  readonly reaper: Reaper;
  readonly janitor: Janitor;
  readonly scheduler: Scheduler;
  readonly leaseKeeper: LeaseKeeper;
  readonly fetcher: Fetcher;
  readonly workflows: Workflows;
  readonly recorder: OutcomeRecorder;
  readonly notebook: Notebook;
  readonly executor: Executor;
  readonly intake: Intake;
  readonly #registry: Registry;
  readonly #options: ResolvedWorkerOptions;
  readonly #part: WorkerPart | undefined;
  readonly #life: PartLife;
  readonly #base: Base;

  /**
   * Actors that need each other read the other one through `this` when they run, so they may be made in any
   * order; an actor that is passed to another one is made first.
   * @param part what the whole worker gives to this part; absent when the part is the whole worker.
   */
  constructor(
    registry: Registry,
    options: ResolvedWorkerOptions,
    part: WorkerPart | undefined,
    life: PartLife,
  ) {
    this.#registry = registry;
    this.#options = options;
    this.#part = part;
    this.#life = life;
    this.place = part?.place ?? ONLY_PLACE;
    const { concurrency, logger, maxResultCharacters, random } = options;
    const keys = new ShardKeys(options.prefix, this.place.shard);
    this.home = { keys, connection: new Connection(options.connection, "worker", keys) };
    this.#base = {
      ...this.home,
      logger,
      maxResultCharacters,
      worker: () => this.leaseKeeper.name,
      onLost: () => this.leaseKeeper.lost(),
    };
    this.handlers = part?.handlers ?? new HandlerTable(registry, options);
    this.share = this.#joinSlots(part?.slots ?? new SharedSlots(concurrency));
    this.demand = this.#makeDemand();
    this.reaper = new Reaper({ ...this.#base, deadKeepMs: DEFAULT_RETENTION.deadMs });
    this.janitor = new Janitor({ ...this.#base, sweepRuns: () => this.workflows.sweep() });
    this.scheduler = new Scheduler({ ...this.#base, registry, random, place: this.place });
    this.leaseKeeper = this.#makeLeaseKeeper();
    this.fetcher = this.#makeFetcher();
    this.workflows = this.#makeWorkflows();
    this.recorder = this.#makeRecorder();
    this.notebook = this.#makeNotebook();
    this.executor = this.#makeExecutor();
    this.intake = this.#makeIntake();
  }

  #joinSlots(slots: SharedSlots): Share {
    return slots.join({
      running: () => this.intake.slots,
      coming: () => this.intake.coming + this.workflows.preparing + this.fetcher.asked,
      hungry: () => this.fetcher.hungry,
      busy: () => this.executor.running,
      look: () => this.#life.look(),
      close: () => this.intake.close(),
      open: () => {
        this.#life.claimAgain();
        this.intake.look();
      },
    });
  }

  #makeDemand(): ClaimDemand {
    const { concurrency, claimAheadMs } = this.#options;
    const { claimable } = this.share;
    return new ClaimDemand({ concurrency, claimable, claimAheadMs, maxBatch: mostOfClaim(this.#registry) });
  }

  #makeLeaseKeeper(): LeaseKeeper {
    const { concurrency, connection, leaseMs, maxBlockMs } = this.#options;
    const part = this.#part;
    const { shard } = this.place;
    const queues = this.#options.queues.map((queue) => queue.name);
    return new LeaseKeeper({
      ...this.#base,
      clock: this.clock,
      connectionOptions: connection,
      leaseMs,
      maxBlockMs,
      thread: part?.thread,
      part: shard,
      about: {
        host: hostname(),
        pid: process.pid,
        version: packageVersion(),
        concurrency,
        queues,
        ...(part === undefined ? {} : { process: part.process, shard }),
      },
      busy: () => this.intake.busy,
      asleepFor: () => (this.fetcher.asleep ? queues : []),
      onWork: (inMs) => this.#life.sleep(inMs),
      onCancel: (id) => this.intake.cancel(id),
      onExpiredWorkers: (workers) => this.reaper.reap(workers),
      onLost: () => this.#life.lost(),
      onRegained: () => this.#life.regained(),
      onLasting: () => this.intake.look(),
    });
  }

  #makeFetcher(): Fetcher {
    return new Fetcher({
      ...this.#base,
      shares: new QueueShares(this.#options.queues),
      demand: this.demand,
      maxBatch: mostOfClaim(this.#registry),
      renewal: () => this.leaseKeeper.renewal(),
      running: () => this.intake.slots,
      waiting: () => this.intake.waiting + this.workflows.preparing,
      gathering: () => this.intake.room,
      blocking: () => this.intake.blocking,
      deliver: (ids, records, runs) => this.#life.deliver(ids, records, runs),
      onRest: this.share.freed,
      onIdle: (nextDueMs) => this.#life.sleep(nextDueMs),
    });
  }

  #makeWorkflows(): Workflows {
    return new Workflows({
      ...this.#base,
      registry: this.#registry,
      now: () => this.clock.now(),
      fetcher: this.fetcher,
      queues: this.#options.queues,
      handlers: this.handlers,
      ready: (claims) => this.#life.ready(claims),
      quarantine: (claim) => this.recorder.quarantined(claim),
      halt: (claim) => this.recorder.halted(claim, this.handlers.get(claim.record.task)?.contract),
      onFree: () => {
        this.#life.look();
        this.share.freed();
      },
    });
  }

  #makeRecorder(): OutcomeRecorder {
    const homeOf = this.#part?.homeOf ?? ((id) => ({ ...this.home, id }));
    return new OutcomeRecorder({
      ...this.#base,
      clock: this.clock,
      random: this.#options.random,
      fetcher: this.fetcher,
      reaper: this.reaper,
      workflows: this.workflows,
      followUps: new FollowUps({ registry: this.#registry, homeOf }),
      keepCompletedMs: this.#options.retentionCompletedMs,
    });
  }

  #makeNotebook(): Notebook {
    return new Notebook({
      ...this.#base,
      keepsLines: this.#options.keepsJobLog,
      now: () => this.clock.now(),
    });
  }

  #makeExecutor(): Executor {
    const { logger, worker } = this.#base;
    return new Executor({
      handlers: this.handlers,
      sink: this.recorder,
      notebook: this.notebook,
      logger,
      worker,
      now: (monotonicMs) => this.clock.now(monotonicMs),
      onEnded: (execution, durationMs, now) => this.#life.ended(execution, durationMs, now),
    });
  }

  #makeIntake(): Intake {
    return new Intake({
      ...this.#base,
      concurrency: this.share.startable,
      shared: this.share.suspects,
      handlers: this.handlers,
      executor: this.executor,
      notebook: this.notebook,
      now: () => this.clock.now(),
      preparing: () => this.workflows.preparing,
      leaseLasts: () => this.leaseKeeper.lasts(),
      giveBack: (ids) => this.recorder.returned(ids),
      onStuck: () => this.demand.stuck(),
      onCancelled: (execution) => {
        this.recorder.cancelled(execution);
        // A slot may have been kept for it.
        this.share.freed();
      },
      onClosed: () => this.fetcher.stopClaiming(),
      onOpen: () => this.#life.claimAgain(),
    });
  }
}
