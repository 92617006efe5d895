import type { FollowUpRule } from "./follow-up.js";
import type { RetryPolicy } from "./retry-policy.js";

/** What happens when a handler throws a declared error. */
export interface ErrorRule {
  /** `never`: dead at once. `policy`: as any other error. `after`: again after `afterMs`, whatever the policy says. */
  readonly retry: "never" | "policy" | "after";
  /** Only with `after`. */
  readonly afterMs?: number;
  /** `false`: the attempt is not held against `maxRetries`. Default true. */
  readonly countsAttempt?: boolean;
}

/** How long finished jobs stay readable, in milliseconds; 0 removes them at once. */
export interface Retention {
  readonly completedMs: number;
  /** Also used for cancelled jobs. 0 is allowed, and then nobody can redrive. */
  readonly deadMs: number;
}

/** What becomes of the idempotency key of a job that ends dead or cancelled. */
export const ON_DEAD = ["release", "hold"] as const;
export type OnDead = (typeof ON_DEAD)[number];

export interface IdempotencyRule {
  /** Within this time after the enqueue the same key gives the same job. */
  readonly ttlMs: number;
  /** `release` (default): a new enqueue may try again. `hold`: the key stays taken until its ttl ends. */
  readonly onDead: OnDead;
}

/**
 * What becomes of an enqueue whose dedupe key another job has. `unfinished`: it gives that job back until it has ended. `waiting`: until
 * it is under way. `throttle`: for a time, whatever becomes of it. `replace`: that job, while it waits, gets the new payload.
 * `debounce`: the same, and its start is put off.
 */
export const DEDUPE_MODES = ["unfinished", "waiting", "throttle", "replace", "debounce"] as const;
export type DedupeMode = (typeof DEDUPE_MODES)[number];
/** The modes that look at the last job of their key. `throttle` looks at the time: its key is stored as an idempotency key is. */
export type JobDedupeMode = Exclude<DedupeMode, "throttle">;

export interface DedupeRule {
  readonly mode: DedupeMode;
  /** Only with `throttle`: so long after an enqueue has stored a job, others of its key give it back (ms). */
  readonly perMs?: number;
  /** Only with `debounce`: the job is due so long after the last enqueue of its key (ms). */
  readonly waitMs?: number;
  /** Only with `debounce`: the job is due at the latest so long after the first enqueue of its key (ms). */
  readonly maxWaitMs?: number;
}

/** True for the modes in which the newest enqueue of a key wins. */
export function latestWins(mode: DedupeMode | undefined): boolean {
  return mode === "replace" || mode === "debounce";
}

/**
 * What an acknowledged enqueue has survived. `memory` (default): the primary has executed it. `local`: it is on the primary's
 * disk. `replicated`: a replica has received it too. No level protects against promoting a replica that did not confirm.
 */
export const DURABILITIES = ["memory", "local", "replicated"] as const;
export type Durability = (typeof DURABILITIES)[number];

/** Where the handler of a task runs when it is not to run in the worker itself. */
export const HOST_KINDS = ["process", "thread"] as const;
export type HostKind = (typeof HOST_KINDS)[number];

/** Tasks with one and the same rule share their threads or processes. */
export interface IsolateRule {
  readonly in: HostKind;
  /** Most memory of its heap, in MiB. Default: what Node gives. */
  readonly memoryMb?: number;
  /** Most of them in one worker. Default: the processors of the machine. */
  readonly most?: number;
}

/** At most so many jobs of the task, or of each key of it, run at a time, over all workers. */
export interface ConcurrencyRule {
  /** A whole number from 1. */
  readonly limit: number;
}

/** The handler is called for many jobs of the task, or of each key of it, at once. */
export interface BatchRule {
  /** Most jobs of one call. A whole number from 2 to 1000. */
  readonly size: number;
  /** How long the first job of a batch waits for others, from when it could have started. */
  readonly withinMs: number;
}

/** At most so many attempts of the task, of each key of it, or of a queue start in any window of `perMs`, over all workers. */
export interface RateLimitRule {
  /** A whole number from 1. */
  readonly limit: number;
  readonly perMs: number;
}

/** Everything about a task that both sides of the queue need, in resolved form: no names to look up, no units to convert. */
export interface TaskDefinition {
  readonly name: string;
  readonly queue: string;
  /** Longest run of one attempt; then `ctx.signal` aborts and the attempt has failed. */
  readonly timeoutMs: number;
  /** The first attempt must start within this time after the enqueue (or after its due time); else the job goes dead unrun. */
  readonly startWithinMs?: number;
  readonly retry: RetryPolicy;
  readonly retention: Retention;
  readonly idempotency?: IdempotencyRule;
  /** Not together with `idempotency`. */
  readonly dedupe?: DedupeRule;
  /** Absent: any number of jobs may run. */
  readonly concurrency?: ConcurrencyRule;
  /** Absent: a call of the handler is for one job. */
  readonly batch?: BatchRule;
  /** Absent: any number of attempts may start at any time. */
  readonly rateLimit?: RateLimitRule;
  /** Default `memory`. */
  readonly durability?: Durability;
  /** The handler runs in a thread or a process of its own. Default: in the worker. */
  readonly isolate?: IsolateRule;
  /** The job to enqueue when one of this task goes dead. Default: none. */
  readonly onExhausted?: FollowUpRule;
  /** The events for which its handler may wait: the fields by whose values it is found, sorted. Absent: none. */
  readonly waitsFor?: Readonly<Record<string, readonly string[]>>;
  /** Declared errors by class name. */
  readonly errors: Readonly<Record<string, ErrorRule>>;
  /** First 8 hex digits of the SHA-256 over the normalised definition; stored in every job. */
  readonly hash: string;
}

export interface QueueDefinition {
  readonly name: string;
  /** Share of the worker's picks while several queues have jobs. A whole number from 1 to 1000. */
  readonly weight: number;
  /** Most jobs of the queue that run at a time, over all workers. Absent = any number. */
  readonly concurrency?: number;
  /** Most attempts of its jobs that start in a time, over all workers. Absent = any number. */
  readonly rateLimit?: RateLimitRule;
  /**
   * Most pending jobs: an enqueue past it is refused with `QueueFull`. Absent = any number. Jobs that wait for a time (scheduled,
   * retry) do not count until they are due, and then join the queue whatever its length: what was accepted is not lost.
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
/** `maxWait` of a debounce that does not say: so many times its `wait`. */
export const DEFAULT_MAX_WAITS = 10;
