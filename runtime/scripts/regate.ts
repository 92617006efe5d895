import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const regateScript = new Script("regate");

export interface RegateCall {
  readonly keys: ShardKeys;
  readonly id: string;
  readonly seen: {
    readonly record: "none" | "tombstone" | "job";
    readonly run: string | undefined;
    readonly owner: string | undefined;
    readonly entry: string | undefined;
  };
  /**
   * `forget`: removes the job from the gate. `known`: the gate has it in this group. `come`: the job is in no
   * index, and enters the gate.
   */
  readonly target: "forget" | "known" | "come";
  readonly queue: string;
  /** `""` for `forget`. */
  readonly group: string;
  readonly longestSearch: number;
  /** Members of `waiting` that name the job and must be removed. */
  readonly members: readonly string[];
}

export async function regate(runner: ScriptRunner, call: RegateCall): Promise<"LONG" | "MOVED" | "REPAIRED"> {
  const { keys, seen } = call;
  const queue = keys.queue(call.queue);
  const reply = await runner.run(
    regateScript,
    [
      keys.jobs,
      keys.runs,
      keys.active,
      keys.limited,
      keys.groups,
      keys.waiting,
      queue.pending,
      queue.due,
      queue.wake,
    ],
    [
      call.id,
      seen.record,
      seen.run ?? "",
      seen.owner ?? "",
      seen.entry ?? "",
      call.target,
      call.queue,
      call.group,
      call.longestSearch,
      ...call.members,
    ],
  );
  return reply as "LONG" | "MOVED" | "REPAIRED";
}
