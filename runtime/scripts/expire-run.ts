import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const expireRunScript = new Script("expire-run");

export interface ExpireRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job of the timeout. */
  readonly id: string;
  readonly run: string;
  /** Where the run's own jobs wait. */
  readonly queue: string;
  readonly state: string;
  /** Jobs that only wait. */
  readonly waits: readonly string[];
}

export type ExpireRunReply = "LOST" | "GONE" | "OVER" | "EXPIRED";

export async function expireRun(runner: ScriptRunner, call: ExpireRunCall): Promise<ExpireRunReply> {
  const { keys, worker, id, run, state, waits } = call;
  const { pending, due, wake } = keys.queue(call.queue);
  return (await runner.run(
    expireRunScript,
    [keys.jobs, keys.runs, keys.active, keys.leases, keys.workflows, pending, due, wake],
    [worker, id, run, state, waits.join(" ")],
  )) as ExpireRunReply;
}
