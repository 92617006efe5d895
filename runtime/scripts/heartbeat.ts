import { ACTIVE_PAD_FIELD, ACTIVE_PAD_VALUE, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const heartbeatScript = new Script("heartbeat");

export interface HeartbeatCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly leaseMs: number;
  /** JSON about the worker: registers it. `undefined`: renews its lease. */
  readonly about: string | undefined;
}

export interface Heartbeat {
  /** Redis time (ms). */
  readonly nowMs: number;
  /** Jobs of this worker whose cancel was asked for. */
  readonly cancels: readonly string[];
  /** Workers whose lease has ended: their jobs must be taken back. */
  readonly expired: readonly string[];
}

/** Keys and arguments of a call: also for the thread that sends it while this one is blocked. */
export function heartbeatParts(call: HeartbeatCall): { keys: string[]; args: ScriptArgument[] } {
  const { keys } = call;
  return {
    keys: [keys.active, keys.leases, keys.workers, keys.cancels, keys.tick],
    args: [call.worker, call.leaseMs, call.about ?? "", ACTIVE_PAD_FIELD, ACTIVE_PAD_VALUE],
  };
}

export async function heartbeat(runner: ScriptRunner, call: HeartbeatCall): Promise<Heartbeat | "LOST"> {
  const { keys, args } = heartbeatParts(call);
  const reply = await runner.run(heartbeatScript, keys, args);
  if (reply === "LOST") return "LOST";
  const [nowMs, cancels, expired] = reply as [string, string[], string[]];
  return { nowMs: Number(nowMs), cancels, expired };
}
