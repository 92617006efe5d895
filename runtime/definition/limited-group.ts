/** Jobs that share a limit of concurrency, a rate or both: those of a queue, of a task, or of one key of a task. */
import type { AnyTaskContract } from "./task-contract.js";
import type { QueueDefinition, RateLimitRule } from "./task-definition.js";

export interface LimitedGroup {
  /** Begins with what has the limit, a task or `@` and a queue, and a space. */
  readonly name: string;
  /** Most that run at a time. It and the rate count until a worker has said what they are. Absent: any number. */
  readonly limit?: number;
  /** Absent: any number may start at any time. */
  readonly rate?: RateLimitRule;
}

/** What of a task says in which group its jobs count. */
type LimitedTask = Pick<
  AnyTaskContract,
  "concurrency" | "concurrencyKey" | "name" | "rateLimit" | "rateLimitKey"
>;

/** The group of a job with this payload in this queue; `undefined` where neither has a limit. */
export function limitedGroup(
  contract: LimitedTask,
  queue: QueueDefinition,
  payload: unknown,
): LimitedGroup | undefined {
  if (hasLimit(contract)) {
    const { name, concurrency, rateLimit } = contract;
    const key = limitKey(contract)?.(payload as never) ?? "";
    return { name: `${name} ${key}`, ...limitsOf(concurrency?.limit, rateLimit) };
  }
  if (!hasLimit(queue)) return undefined;
  return { name: `${queueLimitField(queue.name)} `, ...limitsOf(queue.concurrency, queue.rateLimit) };
}

/** True for a task or a queue with a limit of concurrency or a rate: its jobs pass the gate. */
export function hasLimit({ concurrency, rateLimit }: LimitedTask | QueueDefinition): boolean {
  return concurrency !== undefined || rateLimit !== undefined;
}

/** Both limits of a task have the same key (codegen sees to it), because a job counts in one group. */
export function limitKey({
  concurrency,
  concurrencyKey,
  rateLimitKey,
}: LimitedTask): ((payload: never) => string) | undefined {
  return concurrency === undefined ? rateLimitKey : concurrencyKey;
}

/** The limits of a group as scripts read them; 0 is no limit. */
export function limitsText({ limit = 0, rate }: LimitedGroup): string {
  return rate === undefined ? String(limit) : `${limit},${rate.limit},${rate.perMs}`;
}

function limitsOf(limit: number | undefined, rate: RateLimitRule | undefined): Omit<LimitedGroup, "name"> {
  return { ...(limit === undefined ? {} : { limit }), ...(rate === undefined ? {} : { rate }) };
}

/** Where the limit of a queue stands among those of tasks, whose names have no `@`. */
export function queueLimitField(queue: string): string {
  return `@${queue}`;
}
