import type { JobState, ShardKeys } from "../protocol/index.js";
import type { MovedReply } from "./cancel.js";
import { Script, type ScriptRunner } from "./script.js";

export const retryScript = new Script("retry");

export interface RetryCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /** The job's queue, from its record. */
  readonly queue: string;
  /** The state that it must be in, or nothing happens. Default: any. */
  readonly expected?: JobState | undefined;
  /** Unique name of the call: sent again, it acts once. Default: each sending acts. */
  readonly call?: string;
}

export type RetryReply =
  | "NOTFOUND"
  | "RETRIED"
  | MovedReply
  /** The job is in a state that cannot be retried. */
  | { readonly state: JobState }
  /** The job's idempotency or dedupe key now belongs to this other job. */
  | { readonly keyOwner: string };

export async function retry(runner: ScriptRunner, call: RetryCall): Promise<RetryReply> {
  const { keys } = call;
  const queue = keys.queue(call.queue);
  const reply = (await runner.run(
    retryScript,
    [
      keys.jobs,
      keys.runs,
      keys.active,
      keys.done,
      keys.dead,
      keys.keys,
      keys.keysExpiry,
      keys.limited,
      keys.groups,
      keys.waiting,
      queue.pending,
      queue.due,
      queue.wake,
    ],
    [call.id, call.call ?? "", ...(call.expected === undefined ? [] : [call.expected])],
  )) as string;
  if (reply.startsWith("MOVED ")) return { moved: reply.slice("MOVED ".length) as JobState };
  if (reply.startsWith("STATE ")) return { state: reply.slice("STATE ".length) as JobState };
  if (reply.startsWith("KEY ")) return { keyOwner: reply.slice("KEY ".length) };
  return reply as "NOTFOUND" | "RETRIED";
}
