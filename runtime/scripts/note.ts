import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const noteScript = new Script("note");

export interface NoteCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly jobs: readonly { readonly id: string; readonly progress: string }[];
}

/** Resolves to the number of jobs noted; jobs that the worker does not hold are skipped. */
export async function note(runner: ScriptRunner, call: NoteCall): Promise<number | "LOST"> {
  const { keys } = call;
  const args: ScriptArgument[] = [call.worker];
  for (const { id, progress } of call.jobs) args.push(id, progress);
  return (await runner.run(noteScript, [keys.active, keys.leases, keys.notes], args)) as number | "LOST";
}
