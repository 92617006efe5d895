/**
 * Claimed jobs that wait for others to be handled in one batch. They hold no slot.
 *
 *   gathering --(the batch is full, or its first job has waited long enough)--> ready
 *   ready --(a slot is free)--> taken
 *   ready --(no slot becomes free)--> handed back; where its jobs return, a slot is kept for them in the end
 *
 * The waiting time of a job counts from when it could have started, so that a job that was handed back does
 * not wait again from zero. But it waits at least LEAST_MS here, or the jobs of a backlog would be handled
 * one by one.
 */
import type { AnyTaskContract, BatchRule } from "../../definition/index.js";
import { idTime } from "../../protocol/index.js";
import { type Claim, latenessMs } from "../claims/claim.js";

/** Time for other jobs in the queue to join a job that has waited long enough (ms). */
const LEAST_MS = 100;
/** How long before the latest start of a job its batch is ready (ms); see `startWithin`. */
const BEFORE_TOO_LATE_MS = 50;
/** How long a batch may wait while no slot becomes free, the same as for a single job (ms). */
const WAIT_LIMIT_MS = 100;
/**
 * How long a batch may wait for other batches that get the free slots (ms): another worker may be idle. From then
 * on it comes first where it returns.
 */
const LONGEST_WAIT_MS = 1000;
/** Most jobs that may gather here; beyond that, the batch that has waited longest becomes ready early. */
const MOST_JOBS = 2000;

export interface Batch {
  readonly contract: AnyTaskContract;
  readonly claims: readonly Claim[];
}

interface Group {
  readonly contract: AnyTaskContract;
  claims: Claim[];
  /** Local monotonic time at which the batch is ready, at the latest. */
  readyAt: number;
  /** It has a job that found no slot for long: nothing else may start in the slot that it needs. */
  keepsSlot: boolean;
}

export interface GatheringPorts {
  /** Redis time (ms). */
  readonly now: () => number;
  /** A batch is ready: call `take()` as soon as a slot is free. */
  readonly onReady: () => void;
  /** Hands jobs back to their queues without counting an attempt. */
  readonly giveBack: (ids: readonly string[]) => void;
}

export class Gathering {
  readonly #ports: GatheringPorts;
  /** By task and key. */
  readonly #groups = new Map<string, Group>();
  readonly #ready: Group[] = [];
  /**
   * Jobs that went back for want of a slot -> when they did so first (local monotonic time). If they never came
   * first, others that start at once, single jobs or full batches, would take every slot from them for as long as
   * there are any.
   */
  readonly #refused = new Map<string, number>();
  /** Gathering batches for which a slot is kept. */
  #kept = 0;
  #jobs = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Infinity;
  /** Local monotonic time at which the last batch got a slot. */
  #takenAt = 0;
  /**
   * Jobs that may gather for each free slot, according to the task of the job that came last. When the task
   * has a key, the number of batches cannot be predicted.
   */
  #jobsPerSlot = 0;
  #allowance = 0;

  constructor(ports: GatheringPorts) {
    this.#ports = ports;
  }

  /** Jobs that are held here. */
  get jobs(): number {
    return this.#jobs;
  }

  get ready(): boolean {
    return this.#ready.length > 0;
  }

  /** Slots that are kept for batches which are still gathering. */
  get kept(): number {
    return this.#kept;
  }

  add(claim: Claim, contract: AnyTaskContract, rule: BatchRule): void {
    const key = groupKey(claim, contract);
    const refusedAt = this.#refused.get(claim.id);
    const now = performance.now();
    const leastMs = Math.min(LEAST_MS, rule.withinMs);
    const waitMs = refusedAt === undefined ? Math.max(leastMs, this.#waitMs(claim, rule)) : leastMs;
    const readyAt = now + Math.min(waitMs, this.#mostMs(claim));
    const group = this.#groups.get(key) ?? { contract, claims: [], readyAt, keepsSlot: false };
    this.#groups.set(key, group);
    group.claims.push(claim);
    group.readyAt = Math.min(group.readyAt, readyAt);
    if (refusedAt !== undefined && now - refusedAt > LONGEST_WAIT_MS && !group.keepsSlot) {
      group.keepsSlot = true;
      this.#kept += 1;
    }
    this.#jobs += 1;
    this.#jobsPerSlot = contract.batchKey === undefined ? rule.size : MOST_JOBS;
    if (group.claims.length >= rule.size) this.#isReady(key, group);
    else this.#plan(group.readyAt);
    if (this.#jobs > MOST_JOBS) this.#hurry();
  }

  /**
   * The batch that comes first: of those that are ready, or the one for which the slot is kept, which goes with
   * the jobs that it has where anything else would start instead of it.
   * @param crowded jobs of other tasks are waiting for slots.
   */
  take(freeSlots: number, crowded: boolean): Batch | undefined {
    const isContested = this.ready ? this.#ready[0]?.keepsSlot === false : crowded;
    if (isContested && freeSlots <= this.#kept) this.#hurry(({ keepsSlot }) => keepsSlot);
    const group = this.#ready.shift();
    if (group === undefined) return undefined;
    this.#jobs -= group.claims.length;
    this.#takenAt = performance.now();
    if (this.#refused.size > 0) for (const { id } of group.claims) this.#refused.delete(id);
    return group;
  }

  /**
   * Jobs to claim beyond the free slots, so that batches fill up in a few calls. A claim cannot choose its
   * tasks. So this grows with the number of batch jobs that came, and drops to 0 when jobs came that need
   * slots of their own and find none.
   */
  room(freeSlots: number): number {
    if (this.#allowance === 0) return 0;
    const most = Math.min(MOST_JOBS, freeSlots * this.#jobsPerSlot);
    return Math.max(0, Math.min(this.#allowance, most - this.#jobs));
  }

  /** Reports what a claim has brought. @param crowded jobs of other tasks are waiting for slots. */
  claimed(forBatches: number, crowded: boolean): void {
    this.#allowance =
      crowded || forBatches === 0 ? 0 : Math.min(MOST_JOBS, Math.max(this.#allowance, 2 * forBatches));
  }

  /** Removes a job that must not run any more. */
  drop(id: string): Claim | undefined {
    for (const group of [...this.#groups.values(), ...this.#ready]) {
      const claim = group.claims.find((one) => one.id === id);
      if (claim === undefined) continue;
      group.claims = group.claims.filter((one) => one !== claim);
      this.#jobs -= 1;
      this.#forgetEmpty();
      return claim;
    }
    return undefined;
  }

  /** Removes all jobs. */
  takeIds(): readonly string[] {
    const groups = [...this.#ready.splice(0), ...this.#groups.values()];
    this.#groups.clear();
    this.#jobs = 0;
    this.#kept = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerAt = Infinity;
    return groups.flatMap(({ claims }) => claims.map(({ id }) => id));
  }

  #waitMs({ id, record, run }: Claim, { withinMs }: BatchRule): number {
    // For a later attempt nothing says when it was due, so the whole time applies. The clock of a producer
    // may be ahead, hence the lower bound of 0.
    if (run.events.length > 0) return withinMs;
    const { at, delayMs = 0, dueAt } = record.options;
    const now = this.#ports.now();
    const waitedMs = Math.max(0, now - (dueAt ?? (at ?? idTime(id) ?? now) + delayMs));
    return withinMs - waitedMs;
  }

  /** Gathering must not make a job too late that was claimed in time. */
  #mostMs(claim: Claim): number {
    const lateMs = latenessMs(claim, this.#ports.now());
    // Not below 0: there is no latest start, or it is too late anyway.
    return lateMs < 0 ? Math.max(0, -lateMs - BEFORE_TOO_LATE_MS) : Infinity;
  }

  #isReady(key: string, group: Group): void {
    this.#forget(key, group);
    group.readyAt = performance.now();
    const place = group.keepsSlot ? this.#ready.findIndex(({ keepsSlot }) => !keepsSlot) : -1;
    this.#ready.splice(place < 0 ? this.#ready.length : place, 0, group);
    this.#plan(this.#overdueAt(group));
  }

  /** Makes the batch ready that would be the next. */
  #hurry(isMeant: (group: Group) => boolean = () => true): void {
    let first: [string, Group] | undefined;
    for (const entry of this.#groups)
      if (isMeant(entry[1]) && (first === undefined || entry[1].readyAt < first[1].readyAt)) first = entry;
    if (first !== undefined) this.#isReady(...first);
  }

  #forget(key: string, group: Group): void {
    this.#groups.delete(key);
    if (group.keepsSlot) this.#kept -= 1;
  }

  #forgetEmpty(): void {
    for (const [key, group] of this.#groups) if (group.claims.length === 0) this.#forget(key, group);
    const rest = this.#ready.filter(({ claims }) => claims.length > 0);
    this.#ready.splice(0, Infinity, ...rest);
  }

  #plan(at: number): void {
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, at - performance.now()));
  }

  #look(): void {
    this.#timer = undefined;
    this.#timerAt = Infinity;
    // Timers may fire a little early.
    const now = performance.now() + 1;
    this.#giveBackOverdue(now);
    for (const [key, group] of this.#groups) if (group.readyAt <= now) this.#isReady(key, group);
    if (this.ready) this.#ports.onReady();
    for (const { readyAt } of this.#groups.values()) this.#plan(readyAt);
    for (const group of this.#ready) this.#plan(this.#overdueAt(group));
  }

  #overdueAt({ readyAt }: Group): number {
    return Math.min(Math.max(readyAt, this.#takenAt) + WAIT_LIMIT_MS, readyAt + LONGEST_WAIT_MS);
  }

  #giveBackOverdue(now: number): void {
    const overdue = this.#ready.filter((group) => this.#overdueAt(group) <= now);
    if (overdue.length === 0) return;
    const rest = this.#ready.filter((group) => !overdue.includes(group));
    this.#ready.splice(0, Infinity, ...rest);
    const ids = overdue.flatMap(({ claims }) => claims.map(({ id }) => id));
    this.#jobs -= ids.length;
    // Another worker may have run those that are here by now.
    if (this.#refused.size + ids.length > MOST_JOBS) this.#refused.clear();
    for (const id of ids) if (!this.#refused.has(id)) this.#refused.set(id, now);
    this.#ports.giveBack(ids);
  }
}

/**
 * An invalid payload may have no key. Such a job is alone in its batch, and its attempt reports what is
 * wrong.
 */
function groupKey({ id, record }: Claim, { name, batchKey }: AnyTaskContract): string {
  if (batchKey === undefined) return name;
  try {
    return `${name} ${batchKey(record.payload as never)}`;
  } catch {
    return `${name}\n${id}`;
  }
}
