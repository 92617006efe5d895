/**
 * The counters of one task in one queue, in one process. Plain numbers; callers look their meter up once and
 * keep it, because counting is on the hot path of every job.
 */
import type { ErrorCode } from "../errors.js";
import type { Readings } from "./readings.js";
import { Histogram } from "./histogram.js";

/**
 * Error names that one task may have in its metrics. Each name is a series, and a careless handler can make
 * up any number.
 */
const MOST_NAMES = 20;
const OTHER = "other";
/**
 * Error codes of enqueues that reached Redis: refused by the server, in conflict with what is stored, or with
 * an unknown outcome.
 */
const ENQUEUE_FAILURES = [
  "Draining",
  "DurabilityNotReached",
  "IdConflict",
  "OutcomeUnknown",
  "QueueFull",
  "RedisFull",
  "RedisRefused",
  "RedisUnavailable",
  "RedisUnsuitable",
] as const satisfies readonly ErrorCode[];

/** Counts by names that come from outside, so their number must be bounded. */
class NamedCounts {
  readonly #counts = new Map<string, number>();

  /** Beyond the limit, a new name counts as `other`. */
  add(name: string, count = 1): void {
    const known = this.#counts.get(name);
    if (known !== undefined) this.#counts.set(name, known + count);
    else if (this.#counts.size < MOST_NAMES) this.#counts.set(name, count);
    else this.#counts.set(OTHER, (this.#counts.get(OTHER) ?? 0) + count);
  }

  entries(): Iterable<[name: string, count: number]> {
    return this.#counts;
  }

  /** Returns the counts and resets them. */
  take(): readonly [name: string, count: number][] {
    const taken = [...this.#counts].filter(([, count]) => count > 0);
    this.#counts.clear();
    return taken;
  }
}

/**
 * The outcomes of an attempt: the states, `slept`, `waited` and `handed-back` as in a job's history, and
 * `lost` with the lease.
 */
export interface OutcomeCounts {
  completed: number;
  retry: number;
  dead: number;
  cancelled: number;
  slept: number;
  waited: number;
  "handed-back": number;
  lost: number;
}

export class JobMeter {
  readonly task: string;
  readonly queue: string;
  queued = 0;
  deduplicated = 0;
  readonly enqueueFailures = new NamedCounts();
  readonly outcomes: OutcomeCounts = {
    completed: 0,
    retry: 0,
    dead: 0,
    cancelled: 0,
    slept: 0,
    waited: 0,
    "handed-back": 0,
    lost: 0,
  };
  retryAttempts = 0;
  crashed = 0;
  readonly failures = new NamedCounts();
  readonly duration = new Histogram();
  readonly latency = new Histogram();
  #enqueues = false;
  #executes = false;

  constructor(task: string, queue: string) {
    this.task = task;
    this.queue = queue;
  }

  /**
   * Declares that this process may enqueue such jobs: the counters start at 0, so that `increase()` sees the
   * first job too.
   */
  enqueues(): this {
    this.#enqueues = true;
    for (const code of ENQUEUE_FAILURES) this.enqueueFailures.add(code, 0);
    return this;
  }

  /**
   * Declares that this process may run such jobs, for the same reason.
   * @param errors names that the task declares.
   */
  executes(errors: readonly string[]): this {
    this.#executes = true;
    for (const name of errors) this.failures.add(name, 0);
    return this;
  }

  read(into: Readings): void {
    const { task, queue } = this;
    const labels = { task, queue };
    if (this.#enqueues || this.queued + this.deduplicated > 0) {
      into.add("taskweft_job_queued_total", labels, this.queued);
      into.add("taskweft_job_deduplicated_total", labels, this.deduplicated);
    }
    for (const [code, count] of this.enqueueFailures.entries())
      into.add("taskweft_job_enqueue_failed_total", { ...labels, code }, count);
    for (const [name, count] of this.failures.entries())
      into.add("taskweft_job_failed_total", { ...labels, error_type: name }, count);
    if (this.#executes || this.crashed > 0) into.add("taskweft_job_crashed_total", labels, this.crashed);
    if (!this.#executes && this.#ended === 0) return;
    for (const [outcome, count] of Object.entries(this.outcomes))
      into.add("taskweft_job_executed_total", { ...labels, outcome }, count);
    into.add("taskweft_job_retry_attempts_total", labels, this.retryAttempts);
    into.addHistogram("taskweft_job_duration_seconds", labels, this.duration);
    into.addHistogram("taskweft_job_queue_latency_seconds", labels, this.latency);
  }

  get #ended(): number {
    return Object.values(this.outcomes).reduce((sum: number, count: number) => sum + count, 0);
  }
}

/** Pairs of task and queue that a process counts; records in Redis may name any number of them. */
const MOST_METERS = 1000;

export class JobMeters {
  readonly #meters = new Map<string, Map<string, JobMeter>>();
  #size = 0;

  of(task: string, queue: string): JobMeter {
    const known = this.#meters.get(task)?.get(queue);
    if (known !== undefined) return known;
    if (this.#size >= MOST_METERS && task !== OTHER) return this.of(OTHER, OTHER);
    const meter = new JobMeter(task, queue);
    const ofTask = this.#meters.get(task) ?? new Map<string, JobMeter>();
    ofTask.set(queue, meter);
    this.#meters.set(task, ofTask);
    this.#size += 1;
    return meter;
  }

  read(into: Readings): void {
    for (const ofTask of this.#meters.values()) for (const meter of ofTask.values()) meter.read(into);
  }

  /** Returns the counts of enqueues and resets them, for another process to add. */
  takeEnqueued(): readonly Enqueued[] {
    const meters = [...this.#meters.values()].flatMap((ofTask) => [...ofTask.values()]);
    return meters.flatMap((meter): Enqueued[] => {
      const { task, queue, queued, deduplicated } = meter;
      const failed = meter.enqueueFailures.take();
      if (queued + deduplicated + failed.length === 0) return [];
      meter.queued = 0;
      meter.deduplicated = 0;
      return [{ task, queue, queued, deduplicated, failed }];
    });
  }

  addEnqueued(all: readonly Enqueued[]): void {
    for (const { task, queue, queued, deduplicated, failed } of all) {
      const meter = this.of(task, queue);
      meter.queued += queued;
      meter.deduplicated += deduplicated;
      for (const [code, count] of failed) meter.enqueueFailures.add(code, count);
    }
  }
}

/** The enqueues of one task and queue by handlers in a thread or a child process. */
export interface Enqueued {
  readonly task: string;
  readonly queue: string;
  readonly queued: number;
  readonly deduplicated: number;
  readonly failed: readonly (readonly [code: string, count: number])[];
}
