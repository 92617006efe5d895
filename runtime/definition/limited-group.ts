/** Jobs that share the limit of their task: all of them, or those with one key. */
import type { AnyTaskContract } from "./task-contract.js";

export interface LimitedGroup {
  readonly name: string;
  /** Counts until a worker has said what the limit is. */
  readonly limit: number;
}

/** The group of a job with this payload; `undefined` where the task has no limit. */
export function limitedGroup(contract: AnyTaskContract, payload: unknown): LimitedGroup | undefined {
  const { name, concurrency, concurrencyKey } = contract;
  if (concurrency === undefined) return undefined;
  // No task name holds a space, so no two tasks share a group.
  return { name: `${name} ${concurrencyKey?.(payload as never) ?? ""}`, limit: concurrency.limit };
}
