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
  /** Of a pending list, so that other purges do not turn it meanwhile; without it they are not looked at. */
  readonly turn?: PurgeTurn;
}

export interface PurgeTurn {
  /** Of the purge, unique. */
  readonly token: string;
  /** `end` removes nothing. */
  readonly step: "begin" | "turn" | "end";
}

export interface Purged {
  /** Number of ids looked at; 0 if there are no more, -1 if the turn is, or has been, another purge's. */
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
      keys.purging,
      queue.pending,
      queue.due,
      queue.wake,
    ],
    [
      keys.tag,
      call.queue,
      place,
      call.state,
      call.task,
      call.most,
      call.from,
      call.turn?.token ?? "",
      call.turn?.step ?? "",
    ],
  )) as [number, number, number, string];
  return { looked, removed, steps, from };
}
