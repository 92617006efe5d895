/**
 * Enqueues the jobs of schedules. Every worker has a scheduler and none is special: each looks when a tick is due, and
 * the script lets one of them settle it.
 *
 *   looking: declare the schedules, learn how far they have come --(ticks have passed)--> settle them --> waiting
 *   waiting --(next tick is due, or LOOK_MS)--> looking
 *   looking --(a newer deploy decides)--> waiting
 *
 * The time is that of Redis, carried by each reply; the local timer only says when to look.
 */
import { createHash } from "node:crypto";
import type { Connection } from "../connection/index.js";
import {
  type AnyTaskContract,
  type LimitedGroup,
  limitedGroup,
  limitKey,
  type ScheduleDefinition,
  timingOf,
} from "../definition/index.js";
import {
  parseRecord,
  recordHead,
  type RecordOptions,
  type ScheduleState,
  type ShardKeys,
  tickJobId,
  waitingField,
} from "../protocol/index.js";
import {
  cancel,
  declare,
  type DeclaredSchedule,
  tick,
  type TickJob,
  type TickReply,
} from "../scripts/index.js";
import { type DueTicks, dueTicks, type Timing, untilNextTick } from "./due-ticks.js";
import type { Logger, Registry } from "./handler.js";
import type { ShardPlace } from "./shard-place.js";

/** Longest time between two looks (ms): bounds how long a moved clock or a resumed schedule goes unnoticed. */
const LOOK_MS = 15_000;
/** The workers of the newest deploy are silent for so long (ms) before those of another fire its schedules. */
const PATIENCE_MS = 4 * LOOK_MS;
const ERROR_PAUSE_MS = 1000;

export interface SchedulerPorts {
  readonly connection: Connection;
  readonly keys: ShardKeys;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly random: () => number;
  /** Schedules are divided over the shards: a schedule and its jobs live in one. */
  readonly place: ShardPlace;
}

interface Entry extends Timing {
  readonly schedule: ScheduleDefinition;
  readonly contract: AnyTaskContract;
  readonly maxPending: number;
  readonly payload: string;
  readonly group: LimitedGroup | undefined;
}

export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #entries: readonly Entry[];
  readonly #declared: readonly DeclaredSchedule[];
  readonly #fingerprint: string;
  /** This worker has not yet been heard: its deploy takes over. */
  #starts = true;
  #decides = true;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: SchedulerPorts) {
    const { schedules = [] } = ports.registry;
    const { router, shard } = ports.place;
    this.#ports = ports;
    const all = schedules.map((schedule) => entryOf(schedule, ports.registry));
    this.#entries = all.filter((entry) => router.ofKey(routingKey(entry)) === shard);
    this.#declared = this.#entries.map(declaredOf);
    const deploy = all.map(({ schedule, contract }) => [schedule, contract.queue, contract.hash]);
    this.#fingerprint = createHash("sha256").update(JSON.stringify(deploy)).digest("hex").slice(0, 16);
  }

  start(): void {
    if (this.#stopped) return;
    this.#looking = this.#lookAndWait();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  async #lookAndWait(): Promise<void> {
    let waitMs: number | undefined = ERROR_PAUSE_MS;
    try {
      waitMs = await this.#look();
    } catch (error) {
      if (!this.#stopped)
        this.#ports.logger.warn("looking after the schedules failed; trying again", { error });
    }
    if (this.#stopped || waitMs === undefined) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#lookAndWait();
    }, waitMs);
  }

  /** Milliseconds until the next look; `undefined` where there is nothing to look after. */
  async #look(): Promise<number | undefined> {
    const { connection, keys } = this.#ports;
    // A project without schedules may have had some: its workers go on saying that there are none any more.
    if (this.#entries.length === 0 && (await connection.redis.exists(keys.schedules)) === 0) return undefined;
    if (this.#starts) await this.#registerQueues();
    const declared = await declare(connection, {
      keys,
      fingerprint: this.#fingerprint,
      starts: this.#starts,
      patienceMs: PATIENCE_MS,
      schedules: this.#declared,
    });
    this.#starts = false;
    this.#tellWhoDecides(declared !== "OTHER");
    if (declared === "OTHER") return LOOK_MS;
    const { nowMs, states } = declared;
    await Promise.all(this.#entries.map((entry, index) => this.#settle(entry, states[index]!, nowMs)));
    return untilNextTick(this.#entries, nowMs, LOOK_MS);
  }

  /** As a producer does: tools must know of a queue with jobs that no worker serves yet. */
  async #registerQueues(): Promise<void> {
    const { connection, keys, registry } = this.#ports;
    const used = new Set(this.#entries.map(({ contract }) => contract.queue));
    const queues = registry.queues.filter(({ name }) => used.has(name));
    await Promise.all(
      queues.map(({ name, weight }) => connection.redis.hsetnx(keys.meta, `queue:${name}`, weight)),
    );
  }

  #tellWhoDecides(decides: boolean): void {
    if (decides === this.#decides) return;
    this.#decides = decides;
    const schedules = this.#entries.map(({ schedule }) => schedule.name).join(",");
    if (decides) this.#ports.logger.info("this worker fires its schedules again", { schedules });
    else
      this.#ports.logger.info(
        "a worker with other schedules has started: this one leaves the schedules to that deploy",
        { schedules },
      );
  }

  async #settle(entry: Entry, state: ScheduleState, nowMs: number): Promise<void> {
    const { logger } = this.#ports;
    const { schedule, contract } = entry;
    const due = dueTicks(entry, schedule.missed, state.lastMs, nowMs);
    if (due === undefined) return;
    const { run, missedMs, upToMs } = due;
    const reply = await this.#tick(entry, state, due, nowMs);
    const fields = { schedule: schedule.name, tick: new Date(upToMs).toISOString() };
    if (reply === "FULL")
      logger.warn("the queue of a schedule is full; its tick waits", { ...fields, queue: contract.queue });
    else if (typeof reply === "number" && reply < run.length)
      logger.warn("a tick was skipped: paused, or the job before it has not ended", fields);
    else if (typeof reply === "number" && missedMs > 0)
      logger.warn("ticks passed while no worker ran", { ...fields, missed: schedule.missed, run: reply });
  }

  async #tick(entry: Entry, state: ScheduleState, due: DueTicks, nowMs: number): Promise<TickReply> {
    const { connection, keys } = this.#ports;
    const { schedule, contract, maxPending } = entry;
    const { run, missedMs, upToMs } = due;
    if (schedule.overlap === "replace" && run.length > 0 && state.pausedAtMs === 0) {
      // The earlier job stays while there is no place for the one that is to replace it.
      if (await this.#isFull(entry)) return "FULL";
      await this.#cancelEarlier(state.lastJob, contract);
    }
    return await tick(connection, {
      keys,
      schedule: schedule.name,
      queue: contract.queue,
      lastMs: state.lastMs,
      upToMs,
      overlap: schedule.overlap,
      maxPending,
      missedMs,
      group: entry.group,
      jobs: run.map((tickMs) => this.#jobOf(entry, tickMs, nowMs)),
    });
  }

  async #isFull({ contract, maxPending }: Entry): Promise<boolean> {
    if (maxPending === 0) return false;
    const { redis } = this.#ports.connection;
    const { keys } = this.#ports;
    const [inLine, atGate] = await Promise.all([
      redis.llen(keys.queue(contract.queue).pending),
      redis.hget(keys.groups, waitingField(contract.queue)),
    ]);
    return inLine + Number(atGate ?? 0) >= maxPending;
  }

  /** Before the tick is settled: whoever is lost in between leaves both to the next one, and no job that should be gone goes on. */
  async #cancelEarlier(id: string, { retention }: AnyTaskContract): Promise<void> {
    const { connection, keys } = this.#ports;
    const record = parseRecord((await connection.redis.hget(keys.jobs, id)) ?? "");
    if (record === undefined) return;
    await cancel(connection, {
      keys,
      id,
      queue: record.queue,
      keepMs: record.options.keepDeadMs ?? retention.deadMs,
    });
  }

  #jobOf({ schedule, contract, payload, group }: Entry, tickMs: number, nowMs: number): TickJob {
    const delayMs = Math.floor(this.#ports.random() * schedule.jitterMs);
    const dueMs = tickMs + delayMs;
    const options: RecordOptions = { at: nowMs };
    if (contract.startWithinMs !== undefined)
      options.startWithinMs = Math.max(0, dueMs - nowMs) + contract.startWithinMs;
    if (contract.batch !== undefined) options.delayMs = Math.max(0, dueMs - nowMs);
    if (group !== undefined) options.group = group.name;
    const head = recordHead(contract.name, contract.queue, contract.hash, options);
    const { router, shard } = this.#ports.place;
    const id = router.idIn(shard, tickJobId(schedule.name, tickMs));
    return { tickMs, id, record: `${head}${payload}]`, dueMs };
  }
}

/** Its jobs must be where others of their key are; else the name decides. */
function routingKey({ schedule, contract, group }: Entry): string {
  return group === undefined || limitKey(contract) === undefined ? schedule.name : group.name;
}

function entryOf(schedule: ScheduleDefinition, { contracts, queues }: Registry): Entry {
  const contract = contracts.find(({ name }) => name === schedule.task);
  if (contract === undefined) throw new Error(`the schedule ${schedule.name} is for an unknown task`);
  const queue = queues.find(({ name }) => name === contract.queue) ?? { name: contract.queue, weight: 1 };
  const { maxPending = 0 } = queue;
  const group = limitedGroup(contract, queue, schedule.payload);
  const payload = JSON.stringify(schedule.payload);
  return { schedule, contract, maxPending, payload, group, ...timingOf(schedule) };
}

function declaredOf({ schedule, spec, contract }: Entry): DeclaredSchedule {
  const { name, task, cron, timezone, missed, overlap, jitterMs } = schedule;
  return {
    name,
    timing: `${spec.text} ${timezone}`,
    definition: JSON.stringify({ task, queue: contract.queue, cron, timezone, missed, overlap, jitterMs }),
  };
}
