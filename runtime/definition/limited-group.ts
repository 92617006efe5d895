/**
 * Jobs that share a concurrency limit, a rate limit or a turn: the jobs of a queue, of a task, or of one key
 * of a task. They pass the gate before they can be claimed; see docs/protocol.md.
 */
import type { AnyTaskContract } from "./task-contract.js";
import type { QueueDefinition, RateLimitRule } from "./task-definition.js";

export interface LimitedGroup {
  /** Starts with the owner of the limit (a task, or `@` and a queue) and a space. */
  readonly name: string;
  /**
   * Most jobs that run at a time. This and the other limits apply until a worker has declared newer ones.
   * Absent: no limit.
   */
  readonly limit?: number;
  /** Absent: any number of jobs may start at any time. */
  readonly rate?: RateLimitRule;
  /** Takes turns with the other groups of the task. Absent: jobs start in order of arrival. */
  readonly turns?: true;
}

/** The fields of a task that determine the group of its jobs. */
type LimitedTask = Pick<
  AnyTaskContract,
  "concurrency" | "concurrencyKey" | "fairnessKey" | "name" | "rateLimit" | "rateLimitKey"
>;

/**
 * The group of a job with this payload in this queue; `undefined` if neither the task nor the queue has
 * limits or turns. `fit` turns the key computed from the payload into a valid one (`isKey`).
 */
export function limitedGroup(
  contract: LimitedTask,
  queue: QueueDefinition,
  payload: unknown,
  fit: (key: string) => string = (key) => key,
): LimitedGroup | undefined {
  const { name, concurrency, rateLimit, fairnessKey } = contract;
  if (passesGate(contract)) {
    const keyOf = groupKey(contract);
    const key = keyOf === undefined ? "" : fit(keyOf(payload as never));
    // Without a limit across queues, each queue has its own turns, so that a paused queue does not stop the
    // others.
    const place = hasLimit(contract) ? "" : `${queue.name} `;
    const turns = fairnessKey === undefined ? {} : ({ turns: true } as const);
    return { name: `${name} ${place}${key}`, ...limitsOf(concurrency?.limit, rateLimit), ...turns };
  }
  if (!hasLimit(queue)) return undefined;
  return { name: `${queueLimitField(queue.name)} `, ...limitsOf(queue.concurrency, queue.rateLimit) };
}

/** Whether a task or queue has a concurrency limit or a rate limit. */
export function hasLimit({ concurrency, rateLimit }: LimitedTask | QueueDefinition): boolean {
  return concurrency !== undefined || rateLimit !== undefined;
}

/** Whether the jobs of a task count in groups of the task, not of its queue. */
export function passesGate(task: LimitedTask): boolean {
  return hasLimit(task) || task.fairnessKey !== undefined;
}

/** Limits and turns of a task share one key (codegen enforces it), because a job counts in one group. */
export function groupKey({
  concurrency,
  concurrencyKey,
  fairnessKey,
  rateLimit,
  rateLimitKey,
}: LimitedTask): ((payload: never) => string) | undefined {
  if (concurrency !== undefined) return concurrencyKey;
  return rateLimit === undefined ? fairnessKey : rateLimitKey;
}

/**
 * The key of a limit, whose jobs must be counted in one shard. Keys that only take turns do so in each shard,
 * because the jobs of a large key are better spread.
 */
export function limitKey(task: LimitedTask): ((payload: never) => string) | undefined {
  return hasLimit(task) ? groupKey(task) : undefined;
}

/**
 * The rate and the turns in the form that scripts read; `undefined` if there are neither. A window of 0 means
 * no rate.
 */
export function rateText(
  { rate, turns }: { readonly rate?: RateLimitRule | undefined; readonly turns?: true | undefined },
  separator = " ",
): string | undefined {
  if (rate === undefined && turns === undefined) return undefined;
  const { limit, perMs } = rate ?? { limit: 0, perMs: 0 };
  return [limit, perMs, ...(turns === undefined ? [] : [1])].join(separator);
}

/** The limits of a group in the form that scripts read; 0 means no limit. */
export function limitsText(group: LimitedGroup): string {
  const { limit = 0 } = group;
  const rate = rateText(group, ",");
  return rate === undefined ? String(limit) : `${limit},${rate}`;
}

function limitsOf(limit: number | undefined, rate: RateLimitRule | undefined): Omit<LimitedGroup, "name"> {
  return { ...(limit === undefined ? {} : { limit }), ...(rate === undefined ? {} : { rate }) };
}

/**
 * Field of a queue's limit in the hash of limits. It cannot clash with that of a task, because no task name
 * contains `@`.
 */
export function queueLimitField(queue: string): string {
  return `@${queue}`;
}
