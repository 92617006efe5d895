/** Jobs that share a limit: those of a queue, of a task, or of one key of a task. */
import type { AnyTaskContract } from "./task-contract.js";
import type { QueueDefinition } from "./task-definition.js";

export interface LimitedGroup {
  /** Begins with what has the limit, a task or `@` and a queue, and a space. */
  readonly name: string;
  /** Counts until a worker has said what the limit is. */
  readonly limit: number;
}

/** The group of a job with this payload in this queue; `undefined` where neither has a limit. */
export function limitedGroup(
  { name, concurrency, concurrencyKey }: AnyTaskContract,
  queue: QueueDefinition,
  payload: unknown,
): LimitedGroup | undefined {
  if (concurrency !== undefined)
    return { name: `${name} ${concurrencyKey?.(payload as never) ?? ""}`, limit: concurrency.limit };
  if (queue.concurrency === undefined) return undefined;
  return { name: `${queueLimitField(queue.name)} `, limit: queue.concurrency };
}

/** Where the limit of a queue stands among those of tasks, whose names have no `@`. */
export function queueLimitField(queue: string): string {
  return `@${queue}`;
}
