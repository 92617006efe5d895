import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const retryRunScript = new Script("retry-run");

export interface RetryRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Queue of the run's own jobs. */
  readonly queue: string;
  /** The end of the run as it was seen. */
  readonly end: string;
  /** Field of the `keys` hash, or `""`. */
  readonly key: string;
  /** Record of the decider. */
  readonly record: string;
  /** A step, or an item of one, that is given a result. */
  readonly skip: { readonly step: string; readonly outcome: string; readonly itemOf: string } | undefined;
}

/** MOVED: the run's end is not the one that was seen. */
export type RetryRunReply = "NOTFOUND" | "MOVED" | "RETRIED" | { readonly keyOwner: string };

export async function retryRun(runner: ScriptRunner, call: RetryRunCall): Promise<RetryRunReply> {
  const { keys, skip } = call;
  const queue = keys.queue(call.queue);
  const reply = (await runner.run(
    retryRunScript,
    [
      keys.jobs,
      keys.workflows,
      keys.ended,
      keys.running,
      keys.keys,
      keys.keysExpiry,
      queue.pending,
      queue.wake,
    ],
    [call.run, call.end, call.key, call.record, skip?.step ?? "", skip?.outcome ?? "", skip?.itemOf ?? ""],
  )) as string;
  if (reply.startsWith("KEY ")) return { keyOwner: reply.slice("KEY ".length) };
  return reply as "NOTFOUND" | "MOVED" | "RETRIED";
}
