import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const discardScript = new Script("discard");

export interface DiscardCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly jobs: readonly { readonly id: string; readonly queue: string }[];
}

export interface Discarded {
  /** How many jobs had become runnable again. */
  readonly revived: number;
  /** Queues that need a hint, because a job waiting at the gate for one of them may now pass. */
  readonly invited: readonly string[];
}

/** Drops claimed ids that must not run. */
export async function discard(runner: ScriptRunner, call: DiscardCall): Promise<Discarded> {
  const { keys } = call;
  const scriptKeys = [keys.jobs, keys.runs, keys.active, keys.limited, keys.groups, keys.waiting];
  for (const job of call.jobs) scriptKeys.push(keys.queue(job.queue).pending, keys.queue(job.queue).wake);
  const args = [call.worker, ...call.jobs.map((job) => job.id)];
  const [revived, invited] = (await runner.run(discardScript, scriptKeys, args)) as [number, string];
  return { revived, invited: invited === "" ? [] : invited.split(" ") };
}
