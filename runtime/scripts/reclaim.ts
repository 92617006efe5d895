import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const reclaimScript = new Script("reclaim");

/**
 * `crashed`: the worker's lease has expired. `handed-back`: the worker stops. `not-started`: it has claimed
 * more than it can start.
 */
export type ReclaimReason = "crashed" | "handed-back" | "not-started";

export interface ReclaimCall {
  readonly keys: ShardKeys;
  /** The worker that loses the jobs. */
  readonly worker: string;
  readonly reason: ReclaimReason;
  /**
   * After this many crashes, the last one alone, the job goes dead, so that a poison pill does not kill the
   * whole fleet.
   */
  readonly maxCrashes: number;
  /** Delay until a suspect (a job that goes dead with its next crash) may be claimed again (ms). */
  readonly suspectWaitMs: number;
  /** How long jobs that end here stay readable (ms). */
  readonly keepMs: number;
  /** Every queue to which one of the jobs may belong. */
  readonly queues: readonly string[];
  /** If empty, the call removes the worker. */
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
