import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const logScript = new Script("log");

export interface LogCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** Of one job, over all its attempts. */
  readonly maxLines: number;
  readonly maxBytes: number;
  /** `lines`: each with a line break at its end. `leftOut`: how many before them were not even sent. */
  readonly jobs: readonly { readonly id: string; readonly leftOut: number; readonly lines: string }[];
}

/** Resolves to the number of jobs whose lines were added; those that are gone or held by another worker are passed over. */
export async function log(runner: ScriptRunner, call: LogCall): Promise<number | "LOST"> {
  const { keys } = call;
  const args: ScriptArgument[] = [call.worker, call.maxLines, call.maxBytes];
  for (const { id, leftOut, lines } of call.jobs) args.push(id, leftOut, lines);
  const scriptKeys = [keys.jobs, keys.active, keys.leases, keys.notes];
  return (await runner.run(logScript, scriptKeys, args)) as number | "LOST";
}
