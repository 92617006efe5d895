/**
 * Jobs that share a limit of concurrency, a rate or a turn: those of a queue, of a task, or of one key of a task. Before they
 * are next, they pass the gate, see docs/protocol.md.
 */
import type { AnyTaskContract } from "./task-contract.js";
import type { QueueDefinition, RateLimitRule } from "./task-definition.js";

export interface LimitedGroup {
  /** Begins with what has the limit, a task or `@` and a queue, and a space. */
  readonly name: string;
  /** Most that run at a time. It and the rest count until a worker has said what they are. Absent: any number. */
  readonly limit?: number;
  /** Absent: any number may start at any time. */
  readonly rate?: RateLimitRule;
  /** It takes turns with the other groups of the task. Absent: its jobs start in the order in which they came. */
  readonly turns?: true;
}

/** What of a task says in which group its jobs count. */
type LimitedTask = Pick<
  AnyTaskContract,
  "concurrency" | "concurrencyKey" | "fairnessKey" | "name" | "rateLimit" | "rateLimitKey"
>;

/**
 * The group of a job with this payload in this queue; `undefined` where neither has a limit, and there are no turns. The key that the
 * payload has is a key of a job (`isKey`), or `fit` makes it one.
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
    // Without a limit over all queues, each queue has turns of its own: one that is paused does not stop the others.
    const place = hasLimit(contract) ? "" : `${queue.name} `;
    const turns = fairnessKey === undefined ? {} : ({ turns: true } as const);
    return { name: `${name} ${place}${key}`, ...limitsOf(concurrency?.limit, rateLimit), ...turns };
  }
  if (!hasLimit(queue)) return undefined;
  return { name: `${queueLimitField(queue.name)} `, ...limitsOf(queue.concurrency, queue.rateLimit) };
}

/** True for a task or a queue with a limit of concurrency or a rate. */
export function hasLimit({ concurrency, rateLimit }: LimitedTask | QueueDefinition): boolean {
  return concurrency !== undefined || rateLimit !== undefined;
}

/** True for a task whose jobs count in groups of its own. */
export function passesGate(task: LimitedTask): boolean {
  return hasLimit(task) || task.fairnessKey !== undefined;
}

/** Limits and turns of a task have the same key (codegen sees to it), because a job counts in one group. */
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
 * The key of a limit, whose jobs must be counted in one place. Keys that only take turns need not: they do so in each shard, and the
 * jobs of a large one are better spread.
 */
export function limitKey(task: LimitedTask): ((payload: never) => string) | undefined {
  return hasLimit(task) ? groupKey(task) : undefined;
}

/** A rate and turns as scripts read them; `undefined` where there are neither. A window of 0 is no rate. */
export function rateText(
  { rate, turns }: { readonly rate?: RateLimitRule | undefined; readonly turns?: true | undefined },
  separator = " ",
): string | undefined {
  if (rate === undefined && turns === undefined) return undefined;
  const { limit, perMs } = rate ?? { limit: 0, perMs: 0 };
  return [limit, perMs, ...(turns === undefined ? [] : [1])].join(separator);
}

/** The limits of a group as scripts read them; 0 is no limit. */
export function limitsText(group: LimitedGroup): string {
  const { limit = 0 } = group;
  const rate = rateText(group, ",");
  return rate === undefined ? String(limit) : `${limit},${rate}`;
}

function limitsOf(limit: number | undefined, rate: RateLimitRule | undefined): Omit<LimitedGroup, "name"> {
  return { ...(limit === undefined ? {} : { limit }), ...(rate === undefined ? {} : { rate }) };
}

/** Where the limit of a queue stands among those of tasks, whose names have no `@`. */
export function queueLimitField(queue: string): string {
  return `@${queue}`;
}
