import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const cancelRunScript = new Script("cancel-run");

export interface CancelRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Jobs of its steps, a part of them; none that undoes. */
  readonly jobs: readonly { readonly id: string; readonly queue: string }[];
}

/** `NOTFOUND`, or the state of the run, or its end as `encodeRunEnd` makes it. */
export async function cancelRun(runner: ScriptRunner, call: CancelRunCall): Promise<string> {
  const { keys } = call;
  const scriptKeys = [keys.active, keys.workflows, keys.cancels, keys.limited, keys.groups, keys.waiting];
  const places = new QueuePlaces(keys, scriptKeys);
  const args: ScriptArgument[] = [call.run];
  for (const { id, queue } of call.jobs) args.push(id, places.of(queue));
  return (await runner.run(cancelRunScript, scriptKeys, args)) as string;
}
