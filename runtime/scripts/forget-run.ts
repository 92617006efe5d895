import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const forgetRunScript = new Script("forget-run");

export interface ForgetRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** With this part nothing is known of the run any more. */
  readonly isLast: boolean;
  /** The run whose retention counts: itself, or the one that it goes with. */
  readonly owner: string;
  readonly fields: readonly string[];
  /** Of these, those that are kept after their end are removed. */
  readonly jobs: readonly string[];
}

export async function forgetRun(runner: ScriptRunner, call: ForgetRunCall): Promise<void> {
  const { keys, run, isLast, owner, fields, jobs } = call;
  await runner.run(
    forgetRunScript,
    [keys.workflows, keys.ended, keys.jobs, keys.runs, keys.done, keys.dead, keys.notes],
    [run, isLast ? 1 : 0, owner, fields.length, ...fields, ...jobs],
  );
}
