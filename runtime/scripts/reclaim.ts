import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const reclaimScript = new Script("reclaim");

/** `crashed`: its lease has ended. `handed-back`: it stops. `not-started`: it has claimed more than it can start. */
export type ReclaimReason = "crashed" | "handed-back" | "not-started";

export interface ReclaimCall {
  readonly keys: ShardKeys;
  /** The worker that loses the jobs. */
  readonly worker: string;
  readonly reason: ReclaimReason;
  /** A job that has crashed so often, the last time alone, goes dead: a poison pill must not eat the fleet. */
  readonly maxCrashes: number;
  /** When a suspect, a job that the next crash would make dead, may be claimed again (ms from now). */
  readonly suspectWaitMs: number;
  /** How long jobs that end here stay readable. */
  readonly keepMs: number;
  /** Every queue in which one of the jobs may belong. */
  readonly queues: readonly string[];
  /** Empty: forget the worker. */
  readonly ids: readonly string[];
}

export interface Reclaimed {
  /** Ids of the jobs that were taken back. */
  readonly taken: readonly string[];
  /** Queues of jobs that could not be put back, because the call did not name them. */
  readonly unknownQueues: readonly string[];
}

export async function reclaim(runner: ScriptRunner, call: ReclaimCall): Promise<Reclaimed | "ALIVE"> {
  const { keys } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.workers,
    keys.done,
    keys.dead,
    keys.keys,
    keys.cancels,
    keys.waits,
    keys.limited,
    keys.groups,
    keys.waiting,
  ];
  for (const name of call.queues) {
    const queue = keys.queue(name);
    scriptKeys.push(queue.pending, queue.due, queue.wake);
  }
  const reply = await runner.run(reclaimScript, scriptKeys, [
    keys.tag,
    call.worker,
    call.reason,
    call.maxCrashes,
    call.keepMs,
    call.suspectWaitMs,
    call.queues.length,
    ...call.queues,
    ...call.ids,
  ]);
  if (reply === "ALIVE") return "ALIVE";
  const [taken, unknownQueues] = reply as [string[], string[]];
  return { taken, unknownQueues };
}
