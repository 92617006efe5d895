import { ACTIVE_PAD_FIELD, ACTIVE_PAD_VALUE, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const heartbeatScript = new Script("heartbeat");

export interface HeartbeatCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly leaseMs: number;
  /** Description of the worker as JSON, which registers it. `undefined` only renews its lease. */
  readonly about: string | undefined;
  /** Queues in which to look for work: for an idle worker that may have missed a hint. Default: none. */
  readonly queues?: readonly string[];
}

export interface Heartbeat {
  /** Redis time (ms). */
  readonly nowMs: number;
  /** Jobs of this worker for which a cancel was requested. */
  readonly cancels: readonly string[];
  /** Workers whose lease has expired: their jobs must be taken back. */
  readonly expired: readonly string[];
  /** Time until the lease of another worker expires (ms); -1 if unknown. */
  readonly nextEndMs: number;
  /** Time until there is work in `queues` (ms); 0 for now, -1 for none. */
  readonly workMs: number;
}

/**
 * Keys and arguments of the call: also for the heartbeat thread, which sends it while the main thread is
 * blocked.
 */
export function heartbeatParts(call: HeartbeatCall): { keys: string[]; args: ScriptArgument[] } {
  const { keys, queues = [] } = call;
  const lists = queues.map((queue) => keys.queue(queue)).flatMap(({ pending, due }) => [pending, due]);
  return {
    keys: [keys.active, keys.leases, keys.workers, keys.limited, keys.cancels, keys.waiting, ...lists],
    args: [call.worker, call.leaseMs, call.about ?? "", ACTIVE_PAD_FIELD, ACTIVE_PAD_VALUE],
  };
}

export async function heartbeat(runner: ScriptRunner, call: HeartbeatCall): Promise<Heartbeat | "LOST"> {
  const { keys, args } = heartbeatParts(call);
  const reply = await runner.run(heartbeatScript, keys, args);
  if (reply === "LOST") return "LOST";
  const [nowMs, cancels, expired, nextEndMs, workMs] = reply as [string, string[], string[], number, number];
  return { nowMs: Number(nowMs), cancels, expired, nextEndMs, workMs };
}
