import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const discardScript = new Script("discard");

export interface DiscardCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly jobs: readonly { readonly id: string; readonly queue: string }[];
}

/** Gives up claimed ids that must not run; resolves to the number that had come back to life. */
export async function discard(runner: ScriptRunner, call: DiscardCall): Promise<number> {
  const { keys } = call;
  const scriptKeys = [keys.jobs, keys.runs, keys.active, keys.limited, keys.groups, keys.waiting];
  for (const job of call.jobs) scriptKeys.push(keys.queue(job.queue).pending, keys.queue(job.queue).wake);
  return (await runner.run(discardScript, scriptKeys, [
    call.worker,
    ...call.jobs.map((job) => job.id),
  ])) as number;
}
