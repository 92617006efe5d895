/**
 * Enqueues the jobs of schedules and starts their runs. Every worker has a scheduler and none is a leader:
 * each one checks when a tick is due, and the script lets one of them settle it. Of several deploys one
 * decides; its limits are those that apply.
 *
 *   looking: declare the schedules, learn how far they have come
 *   looking --(ticks have passed)--> settle them --> waiting
 *   waiting --(next tick is due, or LOOK_MS)--> looking
 *   looking --(a newer deploy decides)--> waiting
 *   looking --(its workers have been silent)--> declare the limits --> settle
 *   waiting --(a tick waits for the end of the run that it replaces, and its pause is over)--> looking
 *
 * Every decision uses Redis time, which each reply carries; the local timer only says when to look.
 */
import { createHash } from "node:crypto";
import { toTaskweftError } from "../../connection/index.js";
import { timingOf } from "../../definition/index.js";
import { TaskweftError } from "../../errors.js";
import { parseScheduleState, type ScheduleState } from "../../protocol/index.js";
import { declare, type DeclaredSchedule } from "../../scripts/index.js";
import { dueTicks, type Timing, untilNextTick } from "./due-ticks.js";
import type { AnySchedule, Logger, Registry } from "../handler.js";
import { declaredLimits, declareLimits } from "../limits.js";
import { JobTicks } from "./job-ticks.js";
import { RunTicks } from "./run-ticks.js";
import type { TickPorts, TickTarget } from "./tick-target.js";

/**
 * Longest time between two looks (ms): bounds how long a clock change or a resumed schedule goes unnoticed.
 */
const LOOK_MS = 15_000;
/** How long the workers of the newest deploy must be silent before another deploy takes its place (ms). */
const PATIENCE_MS = 4 * LOOK_MS;
const ERROR_PAUSE_MS = 1000;
/**
 * First pause before a waiting tick is checked again (ms). Each further pause is twice as long, up to
 * LOOK_MS.
 */
const FIRST_WAIT_MS = 250;

/** `place`: schedules are divided among the shards; a schedule and what it makes live in the same shard. */
export interface SchedulerPorts extends TickPorts {
  readonly registry: Registry;
  readonly logger: Logger;
}

interface Entry extends Timing {
  readonly schedule: AnySchedule;
  readonly target: TickTarget;
}

/** A tick that waits, and how often it was checked. */
interface Wait {
  readonly tickMs: number;
  readonly looks: number;
}

export class Scheduler {
  readonly #ports: SchedulerPorts;
  readonly #entries: readonly Entry[];
  readonly #declared: readonly DeclaredSchedule[];
  readonly #fingerprint: string;
  readonly #hasLimits: boolean;
  readonly #waits = new Map<Entry, Wait>();
  /** Schedules whose queue was full when their last tick came: it waits, and was not missed. */
  readonly #full = new Set<Entry>();
  /** This worker has not declared its schedules yet; when it does, its deploy takes over. */
  #starts = true;
  #decides = true;
  /** This worker has written its limits since its deploy decides. */
  #limitsApply = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: SchedulerPorts) {
    const { schedules = [] } = ports.registry;
    const { router, shard } = ports.place;
    this.#ports = ports;
    const all = schedules.map((schedule) => entryOf(schedule, ports));
    this.#entries = all.filter(({ target }) => router.ofKey(target.routingKey) === shard);
    this.#declared = this.#entries.map(declaredOf);
    const limits = [...declaredLimits(ports.registry)].filter(([, limit]) => limit !== undefined);
    this.#hasLimits = limits.length > 0;
    const deploy = all.map(({ schedule, target }) => [schedule, target.queue, target.hash]);
    const text = JSON.stringify([...deploy, ...limits]);
    this.#fingerprint = createHash("sha256").update(text).digest("hex").slice(0, 16);
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
    let waitMs = ERROR_PAUSE_MS;
    try {
      waitMs = await this.#look();
    } catch (error) {
      if (!this.#stopped) {
        // Only what Redis answered is named by it; anything else is a mistake of ours.
        const isReply = error instanceof Error && error.name === "ReplyError";
        const named = isReply ? toTaskweftError(error, "check of schedules") : error;
        this.#ports.logger.warn("checking schedules failed; trying again", { error: named });
        if (named instanceof TaskweftError && named.code === "RedisFull") waitMs = LOOK_MS;
      }
    }
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#lookAndWait();
    }, waitMs);
  }

  /** Milliseconds until the next look. */
  async #look(): Promise<number> {
    const { connection, keys, registry } = this.#ports;
    // Where no deploy has had schedules or limits, there is nothing to decide. But another one may come and go.
    const declares = this.#hasLimits || this.#entries.length > 0;
    if (!declares && (await connection.redis.exists(keys.schedules)) === 0) {
      this.#starts = false;
      return PATIENCE_MS;
    }
    if (this.#starts) await this.#registerQueues();
    const declared = await declare(connection, {
      keys,
      fingerprint: this.#fingerprint,
      starts: this.#starts,
      patienceMs: PATIENCE_MS,
      schedules: this.#declared,
    });
    this.#starts = false;
    // Workers of another deploy have written theirs, just before this one has started too, and nobody else
    // would take them back.
    if (declared !== "OTHER" && !this.#limitsApply) await declareLimits(connection, keys, registry);
    this.#limitsApply = declared !== "OTHER";
    this.#tellWhoDecides(declared !== "OTHER");
    if (declared === "OTHER") return LOOK_MS;
    const { nowMs, states } = declared;
    await Promise.all(this.#entries.map((entry, index) => this.#settle(entry, states[index]!, nowMs)));
    const untilWaits = [...this.#waits.values()].map(({ looks }) => FIRST_WAIT_MS * 2 ** (looks - 1));
    return untilNextTick(this.#entries, nowMs, Math.min(LOOK_MS, ...untilWaits));
  }

  /** Registers queues as a producer does: tools must know of a queue with jobs that no worker serves yet. */
  async #registerQueues(): Promise<void> {
    const { connection, keys, registry } = this.#ports;
    const used = new Set(this.#entries.flatMap(({ target }) => [...target.queues]));
    const queues = registry.queues.filter(({ name }) => used.has(name));
    await Promise.all(
      queues.map(({ name, weight }) => connection.redis.hsetnx(keys.meta, `queue:${name}`, weight)),
    );
  }

  #tellWhoDecides(decides: boolean): void {
    if (decides === this.#decides) return;
    this.#decides = decides;
    const schedules = this.#entries.map(({ schedule }) => schedule.name).join(",");
    this.#ports.logger.info(
      decides
        ? "the other deploy has been silent: schedules and limits of this worker apply again"
        : "a worker of another deploy has started: its schedules and limits apply, not those of this worker",
      { schedules },
    );
  }

  async #settle(entry: Entry, state: ScheduleState, nowMs: number): Promise<void> {
    const { logger } = this.#ports;
    const { schedule, target } = entry;
    const { lastMs, lastJob, waitingMs } = state;
    // A waiting tick is late, but was not missed.
    const waits = waitingMs !== undefined || this.#full.has(entry);
    const missed = waits && schedule.missed === "skip" ? "latest" : schedule.missed;
    const due = dueTicks(entry, missed, lastMs, nowMs);
    if (due === undefined) return void this.#waits.delete(entry);
    const { run, missedMs, upToMs } = due;
    const reply = await target.settle(state, due, nowMs);
    const fields = { schedule: schedule.name, tick: new Date(upToMs).toISOString() };
    if (reply === "WAITING") return this.#wait(entry, upToMs, { ...fields, run: lastJob });
    this.#waits.delete(entry);
    if (reply === "FULL") this.#full.add(entry);
    else this.#full.delete(entry);
    if (reply === "FULL")
      logger.warn("the queue of a schedule is full; its tick waits", { ...fields, queue: target.queue });
    else if (typeof reply === "number" && reply < run.length) await this.#tellOfSkip(entry, fields);
    else if (typeof reply === "number" && missedMs > 0)
      logger.warn(
        waitingMs === undefined
          ? "ticks passed while no worker ran"
          : "ticks were skipped: the run before them had not ended",
        { ...fields, missed: schedule.missed, run: reply },
      );
  }

  /**
   * The overlap may last for ever, so the log names the job or run that blocks the schedule, and the command
   * that ends it.
   */
  async #tellOfSkip({ schedule: { name } }: Entry, fields: Readonly<Record<string, unknown>>): Promise<void> {
    const { connection, keys, logger } = this.#ports;
    const text = await connection.redis.hget(keys.schedules, name);
    const { lastJob, skipped } = text === null ? {} : parseScheduleState(text);
    if (skipped?.reason !== "overlap" || lastJob === undefined) {
      logger.warn(`a tick was skipped: ${skipped?.reason ?? "another has taken its place"}`, fields);
      return;
    }
    const isJob = (await connection.redis.hexists(keys.jobs, lastJob)) === 1;
    const [kind, command] = isJob ? ["job", "weft jobs cancel"] : ["run", "weft runs cancel"];
    logger.warn(`a tick was skipped: the ${kind} before it has not ended`, {
      ...fields,
      [kind]: lastJob,
      hint: `to end it, run: ${command} ${lastJob}`,
    });
  }

  #wait(entry: Entry, tickMs: number, fields: Readonly<Record<string, unknown>>): void {
    const before = this.#waits.get(entry);
    const isNew = before?.tickMs !== tickMs;
    this.#waits.set(entry, { tickMs, looks: isNew ? 1 : before.looks + 1 });
    if (isNew)
      this.#ports.logger.info("a tick waits: the run before it was cancelled, and is undone first", fields);
  }
}

function entryOf(schedule: AnySchedule, ports: SchedulerPorts): Entry {
  const target =
    "workflow" in schedule ? new RunTicks(schedule, ports) : new JobTicks(schedule, ports.registry, ports);
  return { schedule, target, ...timingOf(schedule) };
}

function declaredOf({ schedule, spec, target }: Entry): DeclaredSchedule {
  const { name, cron, timezone, missed, overlap, jitterMs } = schedule;
  const { named, queue } = target;
  return {
    name,
    timing: `${spec.text} ${timezone}`,
    definition: JSON.stringify({ ...named, queue, cron, timezone, missed, overlap, jitterMs }),
  };
}
