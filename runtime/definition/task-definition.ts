import type { FollowUpRule } from "./follow-up.js";
import type { RetryPolicy } from "./retry-policy.js";

/** What happens when a handler throws a declared error. */
export interface ErrorRule {
  /**
   * `never`: the job goes dead at once. `policy`: retried like any other error. `after`: retried after
   * `afterMs`, whatever the policy says.
   */
  readonly retry: "never" | "policy" | "after";
  /** Only with `after`. */
  readonly afterMs?: number;
  /** `false`: the attempt does not count towards `maxRetries`. Default true. */
  readonly countsAttempt?: boolean;
}

/** How long finished jobs stay readable, in milliseconds; 0 removes them at once. */
export interface Retention {
  readonly completedMs: number;
  /** Also applies to cancelled jobs. With 0 such jobs cannot be retried by hand. */
  readonly deadMs: number;
}

/** What happens to the idempotency key of a job that ends dead or cancelled. */
export const ON_DEAD = ["release", "hold"] as const;
export type OnDead = (typeof ON_DEAD)[number];

export interface IdempotencyRule {
  /** For this long after the enqueue, the same key gives the same job (ms). */
  readonly ttlMs: number;
  /** `release` (default): a new enqueue may try again. `hold`: the key stays taken until its ttl ends. */
  readonly onDead: OnDead;
}

/**
 * What happens to an enqueue whose dedupe key belongs to another job. `unfinished`: returns that job until it
 * has ended. `waiting`: returns it until it starts. `throttle`: returns it for a fixed time, whatever happens
 * to it. `replace`: gives that job the new payload while it waits. `debounce`: the same, and postpones its
 * start.
 */
export const DEDUPE_MODES = ["unfinished", "waiting", "throttle", "replace", "debounce"] as const;
export type DedupeMode = (typeof DEDUPE_MODES)[number];
/**
 * The modes that depend on the state of the key's last job. `throttle` depends on time only: its key is
 * stored like an idempotency key.
 */
export type JobDedupeMode = Exclude<DedupeMode, "throttle">;

export interface DedupeRule {
  readonly mode: DedupeMode;
  /**
   * Only with `throttle`: for this long after an enqueue has stored a job, enqueues with its key return that
   * job (ms).
   */
  readonly perMs?: number;
  /** Only with `debounce`: the job is due this long after the last enqueue with its key (ms). */
  readonly waitMs?: number;
  /**
   * Only with `debounce`: the job is due at the latest this long after the first enqueue with its key (ms).
   */
  readonly maxWaitMs?: number;
}

/** Whether the newest enqueue of a key wins in this mode. */
export function latestWins(mode: DedupeMode | undefined): boolean {
  return mode === "replace" || mode === "debounce";
}

/**
 * Which failure an acknowledged enqueue survives. `memory` (default): the primary has executed it. `local`:
 * it is on the primary's disk. `replicated`: a replica has received it too. No level protects against the
 * promotion of a replica that did not confirm it.
 */
export const DURABILITIES = ["memory", "local", "replicated"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** Where the handler of an isolated task runs. */
export const HOST_KINDS = ["process", "thread"] as const;
export type HostKind = (typeof HOST_KINDS)[number];

/** Tasks with equal rules share their threads or processes. */
export interface IsolateRule {
  readonly in: HostKind;
  /** Heap limit in MiB. Default: Node's. */
  readonly memoryMb?: number;
  /** Most threads or processes in one worker. Default: the number of processors. */
  readonly most?: number;
}

/** Most jobs of the task, or of each of its keys, that run at a time, over all workers. */
export interface ConcurrencyRule {
  /** A whole number, at least 1. */
  readonly limit: number;
}

/** The handler is called for several jobs of the task, or of one of its keys, at once. */
export interface BatchRule {
  /** Most jobs per call. A whole number from 2 to 1000. */
  readonly size: number;
  /** How long the first job of a batch waits for others, counted from when it could have started (ms). */
  readonly withinMs: number;
}

/**
 * Most attempts of the task, of each of its keys, or of a queue that start in any window of `perMs`, over all
 * workers.
 */
export interface RateLimitRule {
  /** A whole number, at least 1. */
  readonly limit: number;
  readonly perMs: number;
}

/**
 * Everything that producers and workers need to know about a task, in resolved form: no names to look up, no
 * units to convert.
 */
export interface TaskDefinition {
  readonly name: string;
  readonly queue: string;
  /** Longest run of one attempt (ms); then `ctx.signal` aborts and the attempt has failed. */
  readonly timeoutMs: number;
  /**
   * The first attempt must start within this time after the enqueue, or after the due time; otherwise the job
   * goes dead without having run.
   */
  readonly startWithinMs?: number;
  readonly retry: RetryPolicy;
  readonly retention: Retention;
  readonly idempotency?: IdempotencyRule;
  /** Excludes `idempotency`. */
  readonly dedupe?: DedupeRule;
  /** Absent: any number of jobs may run. */
  readonly concurrency?: ConcurrencyRule;
  /** Absent: the handler is called for one job at a time. */
  readonly batch?: BatchRule;
  /** Absent: any number of attempts may start at any time. */
  readonly rateLimit?: RateLimitRule;
  /** Default `memory`. */
  readonly durability?: Durability;
  /** Runs the handler in a thread or process of its own. Absent: it runs in the worker. */
  readonly isolate?: IsolateRule;
  /** The job to enqueue when a job of this task goes dead. Absent: none. */
  readonly onExhausted?: FollowUpRule;
  /** The events that the handler may wait for, each with the sorted fields that identify it. Absent: none. */
  readonly waitsFor?: Readonly<Record<string, readonly string[]>>;
  /** Declared errors, by class name. */
  readonly errors: Readonly<Record<string, ErrorRule>>;
  /** First 8 hex digits of the SHA-256 of the normalised definition; stored with every job. */
  readonly hash: string;
}

export interface QueueDefinition {
  readonly name: string;
  /** Share of a worker's claims while several queues have jobs. A whole number from 1 to 1000. */
  readonly weight: number;
  /** Most jobs of the queue that run at a time, over all workers. Absent: no limit. */
  readonly concurrency?: number;
  /** Most attempts of the queue's jobs that start in a time window, over all workers. Absent: no limit. */
  readonly rateLimit?: RateLimitRule;
  /**
   * Most pending jobs: further enqueues are refused with `QueueFull`. Absent: no limit. Jobs that wait for a
   * time (scheduled, retry) count only once they are due, and then join the queue whatever its length,
   * because an accepted job must not be lost.
   */
  readonly maxPending?: number;
}

export const DEFAULT_QUEUE_NAME = "default";
export const DEFAULT_TIMEOUT_MS = 60_000;
export const DEFAULT_RETENTION: Retention = Object.freeze({
  completedMs: 30 * 60_000,
  deadMs: 90 * 86_400_000,
});
export const DEFAULT_IDEMPOTENCY_TTL_MS = 86_400_000;
/** The default `maxWait` of a debounce, as a multiple of its `wait`. */
export const DEFAULT_MAX_WAITS = 10;
