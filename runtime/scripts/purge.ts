import type { JobState, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const purgeScript = new Script("purge");

/** Where ids are stored: in the pending list, at the gate, or in a sorted set. */
export type PurgePlace = "pending" | "waiting" | "due" | "done" | "dead";

export interface PurgeCall {
  readonly keys: ShardKeys;
  readonly queue: string;
  readonly place: PurgePlace;
  readonly state: JobState;
  /** Only jobs of this task; `""` for any task. */
  readonly task: string;
  /** Most ids to look at. */
  readonly most: number;
  /** Where to continue: the `from` of the previous reply, or `""` at the start. Unused for a pending list. */
  readonly from: string;
}

export interface Purged {
  /** Number of ids looked at; 0 if there are no more. */
  readonly looked: number;
  readonly removed: number;
  /** Number of remaining jobs that are steps of workflow runs. */
  readonly steps: number;
  readonly from: string;
}

export async function purge(runner: ScriptRunner, call: PurgeCall): Promise<Purged> {
  const { keys, place } = call;
  const queue = keys.queue(call.queue);
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
    [keys.tag, call.queue, place, call.state, call.task, call.most, call.from],
  )) as [number, number, number, string];
  return { looked, removed, steps, from };
}
