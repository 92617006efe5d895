import { type ShardKeys, parseSteps } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const listenScript = new Script("listen");

export interface ListenCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly id: string;
  /** Name of the wait. A step of the job gets this name when the wait has ended. */
  readonly name: string;
  /** The wait's member of `listeners`. */
  readonly member: string;
  readonly timeoutMs: number;
}

/** `until` (ms): no event has come yet. `event`: its payload, or `undefined` if the wait timed out. */
export type ListenReply =
  "LOST" | "GONE" | { readonly until: number } | { readonly event: unknown; readonly bytes: number };

export async function listen(runner: ScriptRunner, call: ListenCall): Promise<ListenReply> {
  const { keys, name } = call;
  const reply = (await runner.run(
    listenScript,
    [keys.active, keys.leases, keys.notes, keys.listeners, keys.listenersExpiry],
    [call.worker, call.id, JSON.stringify(name), call.member, call.timeoutMs],
  )) as "LOST" | "GONE" | [until: string, step: string];
  if (typeof reply === "string") return reply;
  const [until, step] = reply;
  return step === ""
    ? { until: Number(until) }
    : { event: parseSteps(step).get(name), bytes: Buffer.byteLength(step) + 1 };
}
