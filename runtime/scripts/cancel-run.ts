import type { DueJob, JobMold, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const cancelRunScript = new Script("cancel-run");

export interface CancelRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /**
   * Template of the job that stops what is under way. `undefined`: the run was cancelled before, and this
   * call only stops `jobs`.
   */
  readonly stopper: JobMold | undefined;
  /** Some jobs of the run's steps; no compensations. */
  readonly jobs: readonly DueJob[];
}

/**
 * Resolves to `NOTFOUND`, `RUNNING` (only without a stopper), the state of the run, or its end as
 * `encodeRunEnd` writes it.
 */
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
