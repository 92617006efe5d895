import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const repinScript = new Script("repin");

export interface RepinCall {
  readonly keys: ShardKeys;
  /** Field of the definition. */
  readonly field: string;
  /** What was seen. Otherwise nothing is done. */
  readonly count: string | undefined;
  readonly hasText: boolean;
  /** Runs that are pinned to it. */
  readonly pinned: number;
}

/** Corrects how many runs a definition counts, or forgets one without runs. */
export async function repin(
  runner: ScriptRunner,
  { keys, field, count, hasText, pinned }: RepinCall,
): Promise<"MOVED" | "REPAIRED"> {
  const args = [field, count ?? "", hasText ? 1 : 0, pinned];
  return (await runner.run(repinScript, [keys.workflows], args)) as "MOVED" | "REPAIRED";
}
