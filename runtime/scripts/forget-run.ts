import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const forgetRunScript = new Script("forget-run");

/** Of a run, what is removed by one call. */
export interface RunPart {
  readonly run: string;
  /** With this part nothing is known of the run any more. */
  readonly isLast: boolean;
  /** The run whose retention counts: itself, or the one that it goes with. */
  readonly owner: string;
  readonly fields: readonly string[];
  /** Of these, those that are kept after their end are removed. */
  readonly jobs: readonly string[];
}

/** `parts`: at least one; a later one of the same run is removed after an earlier one. */
export async function forgetRuns(
  runner: ScriptRunner,
  { keys, parts }: { readonly keys: ShardKeys; readonly parts: readonly RunPart[] },
): Promise<void> {
  await runner.run(
    forgetRunScript,
    [keys.workflows, keys.ended, keys.jobs, keys.runs, keys.done, keys.dead, keys.notes],
    parts.flatMap(({ run, isLast, owner, fields, jobs }) => [
      run,
      isLast ? 1 : 0,
      owner,
      fields.length,
      ...fields,
      jobs.length,
      ...jobs,
    ]),
  );
}
