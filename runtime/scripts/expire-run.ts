import type { DueJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";
import { hastenText, QueuePlaces } from "./settle-steps.js";

export const expireRunScript = new Script("expire-run");

export interface ExpireRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job of the run's timeout. */
  readonly id: string;
  readonly run: string;
  readonly state: string;
  /** Jobs that may be waiting for a time or at the gate. */
  readonly waits: readonly DueJob[];
}

export type ExpireRunReply = "LOST" | "GONE" | "OVER" | "EXPIRED";

export async function expireRun(runner: ScriptRunner, call: ExpireRunCall): Promise<ExpireRunReply> {
  const { keys, worker, id, run, state, waits } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.workflows,
    keys.limited,
    keys.groups,
    keys.waiting,
  ];
  const jobs = hastenText(waits, new QueuePlaces(keys, scriptKeys));
  return (await runner.run(expireRunScript, scriptKeys, [worker, id, run, state, jobs])) as ExpireRunReply;
}
