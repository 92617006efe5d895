import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const repairScript = new Script("repair");

export interface RepairCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /**
   * What was seen. If the record, history, owner, number of places in a list or due time has changed, the
   * script does nothing.
   */
  readonly seen: {
    readonly record: "job" | "none" | "tombstone";
    readonly run: string | undefined;
    readonly owner: string | undefined;
  };
  /** The intended state. An existing time of removal is kept. */
  readonly target: {
    readonly record: "keep" | "none" | "tombstone";
    readonly run: string | undefined;
    readonly active: boolean;
    readonly done: number | undefined;
    readonly dead: number | undefined;
  };
  /** Every queue that may contain the id. */
  readonly queues: readonly {
    readonly name: string;
    /** How often the id was seen in the pending list. */
    readonly seen: number;
    /** Whether the id is to be in that list, once. */
    readonly pending: boolean;
    readonly dueAt: number | undefined;
  }[];
  /** Longest pending list that may be searched. */
  readonly longestSearch: number;
  /** Fields of `keys` that belong to the job and may lack an expiry, and the expiry that they get. */
  readonly keyFields: readonly string[];
  readonly keyEndsAt: number;
}

/** Puts an id where it belongs, unless it has moved since it was looked at. */
export async function repair(runner: ScriptRunner, call: RepairCall): Promise<"LONG" | "MOVED" | "REPAIRED"> {
  const { keys, seen, target, queues } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.done,
    keys.dead,
    keys.keys,
    keys.keysExpiry,
    keys.cancels,
    keys.waits,
    keys.notes,
  ];
  for (const { name } of queues) {
    const queue = keys.queue(name);
    scriptKeys.push(queue.pending, queue.due, queue.wake);
  }
  return (await runner.run(repairScript, scriptKeys, [
    keys.tag,
    call.id,
    seen.record,
    seen.run ?? "",
    seen.owner ?? "",
    target.record,
    target.run ?? "",
    target.active ? 1 : 0,
    target.done ?? "",
    target.dead ?? "",
    call.longestSearch,
    call.keyEndsAt,
    call.keyFields.length,
    ...call.keyFields,
    ...queues.flatMap((queue) => [queue.seen, queue.pending ? 1 : 0, queue.dueAt ?? ""]),
  ])) as "LONG" | "MOVED" | "REPAIRED";
}
