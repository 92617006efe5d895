import type { JobState, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const purgeScript = new Script("purge");

/** Where ids stand: in line, at the gate, or in a sorted set. */
export type PurgePlace = "pending" | "waiting" | "due" | "done" | "dead";

export interface PurgeCall {
  readonly keys: ShardKeys;
  readonly queue: string;
  readonly place: PurgePlace;
  readonly state: JobState;
  /** Only jobs of this task; `""`: of any. */
  readonly task: string;
  /** Most ids to look at. */
  readonly most: number;
  /** Where to go on: what the call before answered, `""` from the start. Of a pending list it says nothing. */
  readonly from: string;
}

export interface Purged {
  /** 0: there are no more. */
  readonly looked: number;
  readonly removed: number;
  /** Steps of workflow runs among what stays. */
  readonly steps: number;
  readonly from: string;
}

export async function purge(runner: ScriptRunner, call: PurgeCall): Promise<Purged> {
  const { keys, place } = call;
  const queue = keys.queue(call.queue);
  const start = place === "pending" || place === "waiting" ? "" : "0";
  const [looked, removed, steps, from] = (await runner.run(
    purgeScript,
    [
      keys.jobs,
      keys.runs,
      keys.done,
      keys.dead,
      keys.keys,
      keys.waits,
      keys.notes,
      keys.limited,
      keys.groups,
      keys.waiting,
      queue.pending,
      queue.due,
      queue.wake,
    ],
    [keys.tag, call.queue, place, call.state, call.task, call.most, call.from === "" ? start : call.from],
  )) as [number, number, number, string];
  return { looked, removed, steps, from };
}
