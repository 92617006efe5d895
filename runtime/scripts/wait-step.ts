import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const waitStepScript = new Script("wait-step");

export interface WaitStepCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job of the step. */
  readonly id: string;
  readonly run: string;
  readonly step: string;
  /** Queue of the run's own jobs. */
  readonly queue: string;
  readonly timeoutMs: number;
  /** The events that the run has received for the step and that do not match. */
  readonly heard: string;
  /** True if these cannot match later either: their payloads are dropped. Default: false. */
  readonly drops?: boolean;
}

export type WaitStepReply = "LOST" | "GONE" | "AGAIN" | "OVER" | "WAITING";

export async function waitStep(runner: ScriptRunner, call: WaitStepCall): Promise<WaitStepReply> {
  const { keys, worker, id, run, step, timeoutMs, heard, drops = false } = call;
  const { due, wake } = keys.queue(call.queue);
  return (await runner.run(
    waitStepScript,
    [keys.active, keys.leases, keys.workflows, due, wake],
    [worker, id, run, step, timeoutMs, Buffer.byteLength(heard), drops ? 1 : 0],
  )) as WaitStepReply;
}
