// What docs/definition-files.md says of the dedupe modes, as plainly as it can be written: a model of the jobs of one task, played
// beside Redis by dedupe-histories.test.ts.
import type { JobDedupeMode } from "../../runtime/definition/index.js";

export interface ModelJob {
  readonly id: string;
  readonly key: string;
  readonly mode: JobDedupeMode;
  /** Which enqueue's payload it has. */
  payload: number;
  place: "pending" | "due" | "active" | "ended" | "gone";
  due: number;
  /** A handler may have seen its payload, or a person has asked for it again. */
  begun: boolean;
  asleep: boolean;
  state: "live" | "completed" | "dead" | "cancelled";
}

export interface ModelEnqueue extends Pick<ModelJob, "id" | "key" | "mode" | "payload"> {
  /** ms from now; 0 = at once. With `debounce`: the wait. */
  readonly delay: number;
}

export class DedupeModel {
  readonly jobs = new Map<string, ModelJob>();
  /** Key -> the last job of it. */
  readonly keys = new Map<string, string>();
  /** Key -> by when its debounce is due, and when it may be swept if nobody has it. */
  readonly ends = new Map<string, number>();
  /** Keys that a job has given up: an older job of it that is still active may come back beside the next one. */
  readonly freed = new Set<string>();

  /** What the enqueue answers: `undefined` for a new job. */
  enqueue(item: ModelEnqueue, now: number, maxWait: number): string | undefined {
    const last = this.keys.get(item.key);
    const job = this.jobs.get(last ?? "");
    if (job !== undefined && isLive(job)) {
      if (item.mode === "unfinished") return job.id;
      const underWay = job.place === "active" || job.asleep;
      if (!underWay && item.mode === "waiting") return job.id;
      if (!underWay && !job.begun) {
        this.#replace(job, item, now, this.ends.get(item.key)!);
        return `${job.id} replaced`;
      }
      if (!underWay) this.end(job, "cancelled");
    }
    const { id, key, mode, payload, delay } = item;
    const place = delay === 0 ? "pending" : "due";
    const fresh = { begun: false, asleep: false, state: "live" } as const;
    this.jobs.set(id, { id, key, mode, payload, place, due: now + delay, ...fresh });
    this.keys.set(key, id);
    this.ends.set(key, now + maxWait);
    return undefined;
  }

  #replace(job: ModelJob, item: ModelEnqueue, now: number, latest: number): void {
    job.payload = item.payload;
    if (job.place !== "due" || (item.mode === "debounce" && job.due <= now)) return;
    job.due = item.mode === "debounce" ? Math.min(now + item.delay, latest) : now + item.delay;
    if (item.delay === 0) job.place = "pending";
  }

  promote(now: number): void {
    for (const job of this.jobs.values()) if (job.place === "due" && job.due <= now) job.place = "pending";
  }

  start(job: ModelJob): void {
    job.place = "active";
  }

  /** What `fail` answers. */
  fail(job: ModelJob, outcome: "retry" | "dead" | "sleep", due: number): string {
    if (outcome === "dead" || (outcome === "retry" && this.#superseded(job))) {
      this.end(job, outcome === "dead" ? "dead" : "cancelled");
      return job.state;
    }
    Object.assign(job, { place: "due", due, begun: true, asleep: outcome === "sleep" });
    return "retry";
  }

  takeBack(job: ModelJob, crashed: boolean): void {
    if (this.#superseded(job)) this.end(job, "cancelled");
    else Object.assign(job, { place: "pending", ...(crashed ? { begun: true, asleep: false } : {}) });
  }

  /** What `retry` answers. */
  retry(job: ModelJob, now: number): string {
    if (job.place === "active" || (job.place === "pending" && isLive(job))) return `STATE ${job.place}`;
    if (job.state === "completed") return "STATE completed";
    if (job.state !== "live") {
      const other = this.jobs.get(this.keys.get(job.key) ?? "");
      if (other !== undefined && other !== job && isLive(other)) return `KEY ${other.id}`;
      this.keys.set(job.key, job.id);
      if (!this.ends.has(job.key)) this.ends.set(job.key, now);
    }
    Object.assign(job, { place: "pending", begun: true, asleep: false, state: "live" });
    return "RETRIED";
  }

  end(job: ModelJob, state: "completed" | "dead" | "cancelled"): void {
    Object.assign(job, { place: "ended", state, asleep: false });
    if (state !== "completed") this.#free(job);
  }

  remove(job: ModelJob): void {
    job.place = "gone";
    this.#free(job);
  }

  #free(job: ModelJob): void {
    if (this.keys.get(job.key) !== job.id) return;
    this.keys.delete(job.key);
    this.freed.add(job.key);
  }

  #superseded({ id, key, mode }: ModelJob): boolean {
    const last = this.keys.get(key);
    return (mode === "replace" || mode === "debounce") && last !== undefined && last !== id;
  }

  live(): ModelJob[] {
    return [...this.jobs.values()].filter(isLive);
  }
}

export function isLive({ place }: ModelJob): boolean {
  return place !== "ended" && place !== "gone";
}
