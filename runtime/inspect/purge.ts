/**
 * Removes all jobs of one state from a queue with many calls of one short script, while workers and producers
 * go on.
 */
import { TASK_NAME_PATTERN } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { optionInvalid } from "../option-values.js";
import { type JobState, randomName, waitingField } from "../protocol/index.js";
import { purge, type PurgePlace, type PurgeTurn } from "../scripts/index.js";
import type { ShardReader } from "./shard-reader.js";

/** Without `active`: an active job belongs to its worker and must be cancelled. */
export const PURGE_STATES = ["pending", "scheduled", "retry", "completed", "dead", "cancelled"] as const;
export type PurgeState = (typeof PURGE_STATES)[number];

export interface PurgeOptions {
  /** Default `pending`: jobs that wait to start, for a limit, or for the end of a pause. */
  readonly state?: PurgeState;
  /** Only jobs of this task. Default: of any task. */
  readonly task?: string;
  /** Called after each script call, some hundred times a second. */
  readonly onProgress?: (report: PurgeReport) => void;
}

export interface PurgeReport {
  /** Number of jobs removed, with all their data. */
  readonly removed: number;
  /**
   * Number of remaining steps of workflow runs. They stay because their run would wait for them for ever:
   * cancel the run.
   */
  readonly steps: number;
}

interface Purger {
  purgeQueue(name: string, options?: PurgeOptions): Promise<PurgeReport>;
}

/** Ids per call: takes Redis less than a millisecond if the jobs have no limits and are small. */
const BATCH = 300;
/** Calls in flight: Redis does not wait for a round trip, and other clients wait for at most two calls. */
const LANES = 2;
/** How often a purge asks whether another has ended. */
const LOOK_EVERY_MS = 50;

const PLACES: Readonly<Record<PurgeState, readonly PurgePlace[]>> = {
  // The gate first, because jobs waiting there would follow those that leave the list. And last, because
  // workers that meet a pause move jobs from the list to the gate.
  pending: ["waiting", "pending", "waiting"],
  scheduled: ["due"],
  retry: ["due"],
  completed: ["done"],
  dead: ["dead"],
  cancelled: ["done"],
};

/**
 * Removes at least the jobs that are there when it begins. If it is interrupted, a part is removed and
 * nothing is broken.
 */
export async function purgeQueue(
  reader: ShardReader,
  queue: string,
  options: PurgeOptions = {},
): Promise<PurgeReport> {
  const state = checkedState(options.state);
  const run = new Purge(reader, queue, state, checkedTask(options.task), options.onProgress);
  for (const place of PLACES[state]) {
    if (place === "pending") await run.turnList();
    else if (place !== "waiting" || (await run.hasWaiting())) await run.walk(place);
  }
  return run.report;
}

/** One shard after the other, because together they would hold up a shared server for longer. */
export async function purgeShards(
  shards: readonly Purger[],
  queue: string,
  options: PurgeOptions = {},
): Promise<PurgeReport> {
  let sum: PurgeReport = { removed: 0, steps: 0 };
  let unknown: unknown;
  let isKnown = false;
  for (const shard of shards) {
    const before = sum;
    const onProgress = (report: PurgeReport) => options.onProgress?.(add(before, report));
    try {
      sum = add(before, await shard.purgeQueue(queue, { ...options, onProgress }));
      isKnown = true;
    } catch (error) {
      if (!(error instanceof TaskweftError && error.code === "QueueUnknown")) throw error;
      unknown ??= error;
    }
  }
  if (!isKnown) throw unknown;
  return sum;
}

class Purge {
  report: PurgeReport = { removed: 0, steps: 0 };
  readonly #token = randomName();
  readonly #reader: ShardReader;
  readonly #queue: string;
  readonly #state: JobState;
  readonly #task: string;
  readonly #onProgress: PurgeOptions["onProgress"];

  constructor(
    reader: ShardReader,
    queue: string,
    state: JobState,
    task: string,
    onProgress: PurgeOptions["onProgress"],
  ) {
    this.#reader = reader;
    this.#queue = queue;
    this.#state = state;
    this.#task = task;
    this.#onProgress = onProgress;
  }

  async hasWaiting(): Promise<boolean> {
    const { groups } = this.#reader.keys;
    const waiting = await this.#reader.read((redis) => redis.hget(groups, waitingField(this.#queue)));
    return Number(waiting ?? 0) > 0;
  }

  /**
   * Takes as many ids from the front of the pending list as it contains now; remaining jobs go to its end.
   * Begins anew when another purge has turned the list meanwhile, and so moved jobs past this one.
   */
  async turnList(): Promise<void> {
    const { pending } = this.#reader.keys.queue(this.#queue);
    for (let isDone = false; !isDone;) {
      // Steps that were counted at the gate, or in a turn that is over, are met again.
      this.report = { ...this.report, steps: 0 };
      const { looked } = await this.#call("pending", 0, "", "begin");
      if (looked === -1) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      else isDone = await this.#turn(await this.#reader.read((redis) => redis.llen(pending)));
    }
    await this.#call("pending", 0, "", "end");
  }

  /** Resolves to false if the turn was lost to another purge. */
  async #turn(length: number): Promise<boolean> {
    let left = length;
    let isMine = true;
    const lane = async () => {
      while (left > 0) {
        const most = Math.min(BATCH, left);
        left -= most;
        const { looked } = await this.#call("pending", most, "", "turn");
        if (looked === -1) isMine = false;
        // The list may be shorter by now, because workers claim from it.
        left = looked <= 0 ? 0 : left + most - looked;
      }
    };
    try {
      await Promise.all(Array.from({ length: LANES }, lane));
    } finally {
      left = 0;
    }
    return isMine;
  }

  /** Walks through a sorted set from one end to the other. */
  async walk(place: PurgePlace): Promise<void> {
    let from = "";
    let looked: number;
    do {
      ({ looked, from } = await this.#call(place, BATCH, from));
    } while (looked > 0);
  }

  async #call(place: PurgePlace, most: number, from: string, step?: PurgeTurn["step"]) {
    const purged = await purge(this.#reader.connection, {
      keys: this.#reader.keys,
      queue: this.#queue,
      place,
      state: this.#state,
      task: this.#task,
      most,
      from,
      ...(step === undefined ? {} : { turn: { token: this.#token, step } }),
    });
    this.report = add(this.report, purged);
    if (most > 0) this.#onProgress?.(this.report);
    return purged;
  }
}

function add(one: PurgeReport, other: PurgeReport): PurgeReport {
  return { removed: one.removed + other.removed, steps: one.steps + other.steps };
}

function checkedState(state: PurgeState = "pending"): PurgeState {
  if (PURGE_STATES.includes(state)) return state;
  throw optionInvalid("state", `one of ${PURGE_STATES.join(", ")}`, state);
}

function checkedTask(task: string | undefined): string {
  if (task === undefined) return "";
  // Not limited to the project's tasks: jobs of a task that is gone from the definitions are what a purge is
  // for.
  if (TASK_NAME_PATTERN.test(task)) return task;
  throw optionInvalid("task", `a name that matches ${TASK_NAME_PATTERN.source}`, task);
}
