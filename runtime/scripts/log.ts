import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const logScript = new Script("log");

export interface LogCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** Limits of one job, over all its attempts. */
  readonly maxLines: number;
  readonly maxBytes: number;
  /** `lines`: each ends with a line break. `leftOut`: number of earlier lines that were not sent at all. */
  readonly jobs: readonly { readonly id: string; readonly leftOut: number; readonly lines: string }[];
}

/**
 * Resolves to the number of jobs whose lines were added; jobs that are gone or held by another worker are
 * skipped.
 */
export async function log(runner: ScriptRunner, call: LogCall): Promise<number | "LOST"> {
  const { keys } = call;
  const args: ScriptArgument[] = [call.worker, call.maxLines, call.maxBytes];
  for (const { id, leftOut, lines } of call.jobs) args.push(id, leftOut, lines);
  const scriptKeys = [keys.jobs, keys.active, keys.leases, keys.notes];
  return (await runner.run(logScript, scriptKeys, args)) as number | "LOST";
}
