// What the scripts mean, said a second time without Redis: plain maps and lists. The property test plays the same moves
// on both and compares everything.
import type { JobDedupeMode } from "../../runtime/definition/index.js";
import type { FinalState } from "../../runtime/protocol/index.js";
import type { CancelReply, FailReply, RetryReply } from "../../runtime/scripts/index.js";
import { deduplicate, isSuperseded, unfinishedOf } from "./shard-dedupe.js";
import { modelListen, type ModelWaits } from "./shard-waits.js";

export const QUEUES = ["x", "y"] as const;
export const MAX_CRASHES = 2;

export interface ModelRun {
  attempts: number;
  crashes: number;
  state: FinalState | "pending" | "retry";
  /** Cancelled, and its id still stands in a pending list. */
  place: boolean;
  /** Kinds of its events. */
  kinds: readonly string[];
  /** The worker that ran it alone last. */
  alone: string;
}

export interface ModelItem {
  readonly id: string;
  readonly queue: string;
  readonly key: string;
  readonly hold: boolean;
  /** The mode of the key where it is a dedupe key. */
  readonly dedupe?: JobDedupeMode;
  /** Its key has ended at once. */
  readonly expired: boolean;
  readonly payload: number;
  readonly ownId: boolean;
  /** `undefined`: at once. Lower numbers have been due for longer; Infinity: not yet. */
  readonly due: number | undefined;
}

interface ModelJob {
  item: ModelItem;
  run: ModelRun | undefined;
  /** By a newer enqueue of its dedupe key. */
  replaced: boolean;
}

const NEW: ModelRun = { attempts: 0, crashes: 0, state: "pending", place: false, kinds: [], alone: "" };

export class ShardModel {
  readonly jobs = new Map<string, ModelJob>();
  readonly tombstones = new Set<string>();
  readonly pending: Record<string, string[]> = { x: [], y: [] };
  readonly due: Record<string, Map<string, number>> = { x: new Map(), y: new Map() };
  readonly active = new Map<string, string>();
  readonly done = new Set<string>();
  readonly dead = new Set<string>();
  /** Finished jobs whose retention has ended. */
  readonly faded = new Set<string>();
  readonly keys = new Map<string, string>();
  /** Every key with a known end: true = it has come. */
  readonly keyEnds = new Map<string, boolean>();
  readonly cancels = new Set<string>();
  readonly waits = new Map<string, string>();
  /** What each job waits for, and has heard. */
  readonly listens = new Map<string, ModelWaits>();
  /** Steps of each job that has some, by name. */
  readonly steps = new Map<string, ReadonlyMap<string, unknown>>();
  readonly progress = new Map<string, unknown>();
  readonly paused = new Set<string>();
  readonly leases = new Map<string, "condemned" | "ended" | "held">();

  runOf(id: string): ModelRun {
    return this.jobs.get(id)?.run ?? NEW;
  }

  /** Ids that the worker holds; those that it may run, or the holes among them. */
  held(worker: string, kind: "all" | "holes" | "runnable"): string[] {
    const ids = [...this.active].filter(([, owner]) => owner === worker).map(([id]) => id);
    if (kind === "all") return ids;
    return ids.filter((id) => this.#isHole(id) === (kind === "holes"));
  }

  /** The answers for jobs that were not new, in the order of the call: at once and without key first. */
  enqueue(items: readonly ModelItem[]): [id: string, existing: string | undefined][] {
    const plain = items.filter((item) => !item.ownId && item.key === "" && item.due === undefined);
    for (const item of plain) this.#store(item);
    const known: [string, string | undefined][] = [];
    for (const item of items) {
      if (plain.includes(item)) continue;
      const existing = this.jobs.get(item.id);
      const owner = this.keyEnds.get(item.key) === false ? this.keys.get(item.key) : undefined;
      if (existing !== undefined || this.tombstones.has(item.id)) {
        known.push([item.id, existing !== undefined && isSame(existing, item) ? item.id : undefined]);
        continue;
      }
      const answer = item.dedupe === undefined ? owner : deduplicate(this, item);
      if (answer === undefined) this.#store(item);
      else known.push([item.id, answer]);
    }
    return known;
  }

  isLost(worker: string): boolean {
    const lease = this.leases.get(worker);
    return lease === undefined || lease === "condemned";
  }

  acknowledge(worker: string, dropped: readonly string[], kept: readonly string[]): void {
    for (const id of dropped.filter((held) => this.active.get(held) === worker)) {
      this.#release(id);
      this.waits.delete(id);
      this.#forgetNotes(id);
      this.jobs.delete(id);
    }
    for (const id of kept.filter((held) => this.active.get(held) === worker)) {
      const run = this.runOf(id);
      this.#end(id, {
        ...run,
        attempts: run.attempts + 1,
        state: "completed",
        kinds: [...run.kinds, "completed"],
      });
      this.#forgetNotes(id);
    }
  }

  promote(): void {
    for (const queue of QUEUES) {
      const entries = [...this.due[queue]!].filter(([, at]) => at !== Infinity);
      for (const [id] of entries.toSorted((a, b) => a[1] - b[1])) {
        this.due[queue]!.delete(id);
        this.pending[queue]!.push(id);
      }
    }
  }

  claim(worker: string, want: number, quotas: Readonly<Record<string, number>>): string[] {
    const claimed: string[] = [];
    const open = QUEUES.filter((queue) => !this.paused.has(queue));
    for (const limit of [quotas, {}] as Readonly<Record<string, number>>[]) {
      for (const queue of open) {
        const count = Math.min(limit[queue] ?? want, want - claimed.length);
        claimed.push(...this.pending[queue]!.splice(0, count));
      }
    }
    for (const id of claimed) this.active.set(id, worker);
    return claimed;
  }

  fail(worker: string, id: string, outcome: "cancelled" | "dead" | "retry", dueAt: number): FailReply {
    if (this.isLost(worker)) return "LOST";
    if (this.active.get(id) !== worker) return "GONE";
    const asked = this.cancels.has(id);
    const run = this.runOf(id);
    const failed: ModelRun = {
      ...run,
      attempts: run.attempts + 1,
      state: outcome,
      kinds: [...run.kinds, "failed"],
    };
    if (outcome === "retry" && !asked && !isSuperseded(this, id)) {
      this.#release(id);
      this.jobs.get(id)!.run = failed;
      this.due[this.#queueOf(id)]!.set(id, dueAt);
      return "retry";
    }
    if (outcome === "retry")
      this.#end(id, { ...failed, state: "cancelled", kinds: [...failed.kinds, "cancelled"] });
    else this.#end(id, failed);
    return outcome === "retry" ? "cancelled" : outcome;
  }

  cancel(id: string, keep: boolean): CancelReply {
    if (!this.jobs.has(id)) return "NOTFOUND";
    const run = this.runOf(id);
    if (run.state !== "pending" && run.state !== "retry") return { final: run.state };
    if (this.active.has(id)) {
      this.cancels.add(id);
      return "REQUESTED";
    }
    const place = !this.due[this.#queueOf(id)]!.delete(id);
    this.#end(id, { ...run, state: "cancelled", place, kinds: [...run.kinds, "cancelled"] });
    if (!keep) this.#forget(id, place);
    return "CANCELLED";
  }

  retry(id: string): RetryReply {
    const job = this.jobs.get(id);
    if (job === undefined) return "NOTFOUND";
    const run = this.runOf(id);
    // A worker that holds a cancelled job is about to discard it, and finds it alive then.
    if (this.active.has(id) && run.state !== "cancelled") return { state: "active" };
    const queue = this.#queueOf(id);
    const kinds = [...run.kinds, "retried"];
    if (run.state === "completed") return { state: "completed" };
    if (run.state === "dead" || run.state === "cancelled") {
      const { key, dedupe } = job.item;
      const owner = dedupe === undefined ? this.keys.get(key) : unfinishedOf(this, key);
      if (dedupe !== undefined || this.keyEnds.get(key) === false) {
        if (owner !== undefined && owner !== id) return { keyOwner: owner };
        this.keys.set(key, id);
        this.keyEnds.set(key, this.keyEnds.get(key) ?? true);
      }
      for (const index of [this.done, this.dead, this.faded]) index.delete(id);
      job.run = { ...NEW, kinds };
      if (!run.place) this.pending[queue]!.push(id);
      return "RETRIED";
    }
    if (!this.due[queue]!.delete(id)) return { state: "pending" };
    job.run = { ...run, state: "pending", kinds };
    this.pending[queue]!.push(id);
    return "RETRIED";
  }

  remove(id: string): "ACTIVE" | "NOTFOUND" | "REMOVED" {
    const job = this.jobs.get(id);
    if (job === undefined) return "NOTFOUND";
    if (this.active.has(id)) return "ACTIVE";
    const placed = this.pending[job.item.queue]!.includes(id);
    this.due[job.item.queue]!.delete(id);
    if (this.keys.get(job.item.key) === id) this.keys.delete(job.item.key);
    this.waits.delete(id);
    this.#forget(id, placed);
    return "REMOVED";
  }

  reclaim(worker: string, ids: readonly string[], crashed: boolean): number {
    if (crashed) this.leases.set(worker, "condemned");
    const mine = ids.filter((id) => this.active.get(id) === worker);
    for (const id of mine) this.#takeBack(id, crashed, worker);
    return mine.length;
  }

  runAlone(worker: string, id: string): "LOST" | "GONE" | "noted" {
    if (this.isLost(worker)) return "LOST";
    if (this.active.get(id) !== worker) return "GONE";
    const run = this.runOf(id);
    this.jobs.get(id)!.run = { ...run, kinds: [...run.kinds, "alone"], alone: worker };
    return "noted";
  }

  discard(worker: string, ids: readonly string[]): number {
    let revived = 0;
    for (const id of ids.filter((held) => this.active.get(held) === worker)) {
      if (this.#isHole(id)) this.#passHole(id, []);
      else {
        this.active.delete(id);
        this.pending[this.#queueOf(id)]!.unshift(id);
        revived += 1;
      }
    }
    return revived;
  }

  saveStep(worker: string, id: string, name: string, result: unknown): "GONE" | "LOST" | "SAVED" {
    if (this.isLost(worker)) return "LOST";
    if (this.active.get(id) !== worker) return "GONE";
    const steps = this.steps.get(id) ?? new Map<string, unknown>();
    if (!steps.has(name)) this.steps.set(id, new Map([...steps, [name, result]]));
    return "SAVED";
  }

  listen(worker: string, id: string, name: string): "event" | "GONE" | "LOST" | "until" {
    if (this.isLost(worker)) return "LOST";
    return this.active.get(id) === worker ? modelListen(this, id, name) : "GONE";
  }

  note(worker: string, ids: readonly string[], value: unknown): number | "LOST" {
    if (this.isLost(worker)) return "LOST";
    const held = ids.filter((id) => this.active.get(id) === worker);
    for (const id of held) this.progress.set(id, value);
    return held.length;
  }

  await(id: string, client: string): "ended" | "NOTFOUND" | "WAITING" {
    if (!this.jobs.has(id)) return "NOTFOUND";
    if (this.done.has(id) || this.dead.has(id)) return "ended";
    const clients = (this.waits.get(id) ?? "").split(" ").filter((name) => name !== "");
    this.waits.set(id, [...new Set([...clients, client])].join(" "));
    return "WAITING";
  }

  sweep(): { done: number; dead: number; keys: number } {
    const done = [...this.faded].filter((id) => this.done.has(id));
    const dead = [...this.faded].filter((id) => this.dead.has(id));
    const keys = [...this.keyEnds].filter(([, ended]) => ended).map(([key]) => key);
    for (const id of [...done, ...dead]) this.#forget(id, this.runOf(id).place);
    const stay = keys.filter((key) => key.startsWith("!") && unfinishedOf(this, key) !== undefined);
    for (const key of keys) {
      if (stay.includes(key)) {
        this.keyEnds.set(key, false);
        continue;
      }
      this.keyEnds.delete(key);
      this.keys.delete(key);
    }
    return { done: done.length, dead: dead.length, keys: keys.length - stay.length };
  }

  #store(item: ModelItem): void {
    this.jobs.set(item.id, { item, run: undefined, replaced: false });
    if (item.key !== "") {
      this.keys.set(item.key, item.id);
      this.keyEnds.set(item.key, item.expired);
    }
    if (item.due === undefined) this.pending[item.queue]!.push(item.id);
    else this.due[item.queue]!.set(item.id, item.due);
  }

  #takeBack(id: string, crashed: boolean, worker: string): void {
    if (this.#isHole(id)) {
      this.#passHole(id, ["crashed"]);
      return;
    }
    const run = this.runOf(id);
    const alone = run.alone === worker && run.kinds.at(-1) === "alone";
    const blamed = crashed && (alone || run.crashes + 1 < MAX_CRASHES);
    const crashes = run.crashes + (blamed ? 1 : 0);
    const kinds = blamed ? [...run.kinds, "crashed"] : run.kinds;
    const suspect = crashes + 1 >= MAX_CRASHES;
    if (this.cancels.has(id) || isSuperseded(this, id)) {
      this.#end(id, { ...run, state: "cancelled", kinds: [...run.kinds, "cancelled"] });
    } else if (blamed && crashes >= MAX_CRASHES) {
      this.#end(id, { ...run, crashes, state: "dead", kinds });
    } else {
      this.#release(id);
      if (blamed || suspect)
        this.jobs.get(id)!.run = { ...run, crashes, state: suspect ? "retry" : "pending", kinds };
      if (suspect) this.due[this.#queueOf(id)]!.set(id, Infinity);
      else this.pending[this.#queueOf(id)]!.unshift(id);
    }
  }

  #isHole(id: string): boolean {
    return this.tombstones.has(id) || this.runOf(id).state === "cancelled";
  }

  /** A claimed hole is let go: a tombstone is gone, a cancelled job has no place any more. */
  #passHole(id: string, kinds: readonly string[]): void {
    this.active.delete(id);
    this.tombstones.delete(id);
    const run = this.jobs.get(id)?.run;
    if (run !== undefined) this.jobs.get(id)!.run = { ...run, place: false, kinds: [...run.kinds, ...kinds] };
  }

  #release(id: string): void {
    this.active.delete(id);
    this.cancels.delete(id);
  }

  #end(id: string, run: ModelRun): void {
    const { item } = this.jobs.get(id)!;
    this.#release(id);
    this.waits.delete(id);
    this.jobs.get(id)!.run = run;
    (run.state === "dead" ? this.dead : this.done).add(id);
    const frees = run.state !== "completed" && !item.hold;
    if (frees && this.keys.get(item.key) === id) this.keys.delete(item.key);
  }

  /** Nothing of the job stays, but a tombstone where its id still stands in a list. */
  #forget(id: string, placed: boolean): void {
    this.#forgetNotes(id);
    for (const index of [this.jobs, this.done, this.dead, this.faded]) index.delete(id);
    if (placed) this.tombstones.add(id);
  }

  #forgetNotes(id: string): void {
    this.listens.delete(id);
    this.steps.delete(id);
    this.progress.delete(id);
  }

  #queueOf(id: string): string {
    return this.jobs.get(id)!.item.queue;
  }
}

/** What is enqueued under the job's id is that job. One whose payload has been replaced is known by the text of its key. */
function isSame({ item, replaced }: ModelJob, other: ModelItem): boolean {
  if (item.payload === other.payload) return true;
  return replaced && (other.key === "" || keyText(item.key) === keyText(other.key));
}

/** Without the task and the queue of its jobs. */
function keyText(key: string): string {
  return key.slice(key.indexOf(" ") + 1);
}
