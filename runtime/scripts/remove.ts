import type { JobState, ShardKeys } from "../protocol/index.js";
import type { MovedReply } from "./cancel.js";
import { Script, type ScriptRunner } from "./script.js";

export const removeScript = new Script("remove");

export interface RemoveCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /** The job's queue, from its record. */
  readonly queue: string;
  /** The state that it must be in, or nothing happens. Default: any. */
  readonly expected?: JobState | undefined;
}

export type RemoveReply = "NOTFOUND" | "ACTIVE" | "REMOVED" | MovedReply;

export async function remove(runner: ScriptRunner, call: RemoveCall): Promise<RemoveReply> {
  const { keys } = call;
  const reply = (await runner.run(
    removeScript,
    [
      keys.jobs,
      keys.runs,
      keys.active,
      keys.done,
      keys.dead,
      keys.keys,
      keys.waits,
      keys.notes,
      keys.limited,
      keys.groups,
      keys.waiting,
      keys.queue(call.queue).due,
    ],
    [keys.tag, call.id, ...(call.expected === undefined ? [] : [call.expected])],
  )) as string;
  if (reply.startsWith("MOVED ")) return { moved: reply.slice("MOVED ".length) as JobState };
  return reply as "NOTFOUND" | "ACTIVE" | "REMOVED";
}
