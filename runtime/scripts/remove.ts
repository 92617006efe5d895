import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const removeScript = new Script("remove");

export interface RemoveCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /** The job's queue, from its record. */
  readonly queue: string;
}

export async function remove(
  runner: ScriptRunner,
  call: RemoveCall,
): Promise<"NOTFOUND" | "ACTIVE" | "REMOVED"> {
  const { keys } = call;
  return (await runner.run(
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
    [keys.tag, call.id],
  )) as "NOTFOUND" | "ACTIVE" | "REMOVED";
}
