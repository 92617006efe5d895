import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const repinScript = new Script("repin");

export interface RepinCall {
  readonly keys: ShardKeys;
  /** Field of the definition in the `workflows` hash. */
  readonly field: string;
  /** The count as it was seen. If it has changed, the script does nothing. */
  readonly count: string | undefined;
  readonly hasText: boolean;
  /** Number of runs that are pinned to the definition. */
  readonly pinned: number;
}

/** Corrects the number of runs that a definition counts, or removes a definition without runs. */
export async function repin(
  runner: ScriptRunner,
  { keys, field, count, hasText, pinned }: RepinCall,
): Promise<"MOVED" | "REPAIRED"> {
  const args = [field, count ?? "", hasText ? 1 : 0, pinned];
  return (await runner.run(repinScript, [keys.workflows], args)) as "MOVED" | "REPAIRED";
}
