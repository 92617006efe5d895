import type { FinalState, JobState, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const cancelScript = new Script("cancel");

export interface CancelCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /** The job's queue, from its record. */
  readonly queue: string;
  /** How long the cancelled job stays readable (ms); 0 removes it. */
  readonly keepMs: number;
  /** The state that it must be in, or nothing happens. Default: any. */
  readonly expected?: JobState | undefined;
  /** As of a retry. */
  readonly call?: string;
}

/** It is in another state than the one that was named. */
export interface MovedReply {
  readonly moved: JobState;
}

export type CancelReply =
  "NOTFOUND" | "REQUESTED" | "CANCELLED" | { readonly final: FinalState } | MovedReply;

export async function cancel(runner: ScriptRunner, call: CancelCall): Promise<CancelReply> {
  const { keys } = call;
  const reply = (await runner.run(
    cancelScript,
    [
      keys.jobs,
      keys.runs,
      keys.active,
      keys.done,
      keys.cancels,
      keys.keys,
      keys.waits,
      keys.notes,
      keys.limited,
      keys.groups,
      keys.waiting,
      keys.queue(call.queue).due,
    ],
    [
      keys.tag,
      call.id,
      call.keepMs,
      call.call ?? "",
      ...(call.expected === undefined ? [] : [call.expected]),
    ],
  )) as string;
  if (reply.startsWith("MOVED ")) return { moved: reply.slice("MOVED ".length) as JobState };
  if (reply.startsWith("FINAL ")) return { final: reply.slice("FINAL ".length) as FinalState };
  return reply as "NOTFOUND" | "REQUESTED" | "CANCELLED";
}
