import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const recountScript = new Script("recount");

interface Recount {
  readonly keys: ShardKeys;
  /** If false, the call only compares. */
  readonly mends: boolean;
  /** The count as it was seen, as text. */
  readonly counted: string;
  /** The last number that had been assigned before the look began. */
  readonly lastNumber: string;
}

/** `MOVED`: jobs may have come since the look, so nothing is known. */
export type RecountReply = "MOVED" | "RIGHT" | "WRONG" | "REPAIRED";

export interface GroupRecount extends Recount {
  readonly group: string;
  /** Number of waiting jobs of the group with numbers up to the last one. */
  readonly waiting: number;
  /** All ids with an entry of the group that do not wait at the gate. */
  readonly ids: readonly string[];
  readonly queues: readonly string[];
}

export interface QueueRecount extends Recount {
  readonly queue: string;
  /** Most members of `waiting` to walk. */
  readonly longestWalk: number;
}

export async function recountGroup(
  runner: ScriptRunner,
  { keys, mends, group, counted, lastNumber, waiting, ids, queues }: GroupRecount,
): Promise<RecountReply> {
  const args = [verb(mends), group, "", 0, waiting, counted, lastNumber, queues.length, ...queues, ...ids];
  return await run(runner, keys, queues, args);
}

export async function recountQueue(
  runner: ScriptRunner,
  { keys, mends, queue, longestWalk, counted, lastNumber }: QueueRecount,
): Promise<RecountReply> {
  return await run(runner, keys, [], [verb(mends), "", queue, longestWalk, 0, counted, lastNumber, 0]);
}

function verb(mends: boolean): string {
  return mends ? "mend" : "look";
}

async function run(
  runner: ScriptRunner,
  keys: ShardKeys,
  queues: readonly string[],
  args: readonly ScriptArgument[],
): Promise<RecountReply> {
  const families = queues.flatMap((name) => [keys.queue(name).due, keys.queue(name).wake]);
  const fixed = [keys.active, keys.limited, keys.groups, keys.waiting, keys.paused];
  return (await runner.run(recountScript, [...fixed, ...families], args)) as RecountReply;
}
