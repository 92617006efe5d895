import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const forgetRunScript = new Script("forget-run");

/** The part of a run that one call removes. */
export interface RunPart {
  readonly run: string;
  /** After this part, nothing of the run remains. */
  readonly isLast: boolean;
  /** The run whose retention applies: the run itself, or the run with which it is removed. */
  readonly owner: string;
  readonly fields: readonly string[];
  /** Of these jobs, the ones that are kept after their end are removed. */
  readonly jobs: readonly string[];
}

/** `parts`: at least one. Several parts of one run are removed in their order. */
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
