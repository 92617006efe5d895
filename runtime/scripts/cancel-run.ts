import type { DueJob, JobMold, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const cancelRunScript = new Script("cancel-run");

export interface CancelRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Of its job that stops what is under way. `undefined`: the run was cancelled before, and only these jobs are stopped. */
  readonly stopper: JobMold | undefined;
  /** Jobs of its steps, a part of them; none that undoes. */
  readonly jobs: readonly DueJob[];
}

/** `NOTFOUND`, `RUNNING` (without a stopper), or the state of the run, or its end as `encodeRunEnd` makes it. */
export async function cancelRun(runner: ScriptRunner, call: CancelRunCall): Promise<string> {
  const { keys, run, stopper } = call;
  const scriptKeys = [
    keys.jobs,
    keys.active,
    keys.workflows,
    keys.cancels,
    keys.limited,
    keys.groups,
    keys.waiting,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const args: ScriptArgument[] = [run];
  if (stopper === undefined) args.push("", "", "", "");
  else args.push(`${run}${stopper.suffix}`, places.of(stopper.queue), stopper.before, stopper.after);
  for (const { id, queue } of call.jobs) args.push(id, places.of(queue));
  return (await runner.run(cancelRunScript, scriptKeys, args)) as string;
}
