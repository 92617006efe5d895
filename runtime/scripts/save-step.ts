import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const saveStepScript = new Script("save-step");

export interface SaveStepCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly id: string;
  readonly name: string;
  /** JSON without line breaks; `undefined` if the step returned nothing. */
  readonly result: string | undefined;
}

export async function saveStep(runner: ScriptRunner, call: SaveStepCall): Promise<"LOST" | "GONE" | "SAVED"> {
  const { keys } = call;
  return (await runner.run(
    saveStepScript,
    [keys.active, keys.leases, keys.notes],
    [call.worker, call.id, JSON.stringify(call.name), call.result ?? ""],
  )) as "LOST" | "GONE" | "SAVED";
}
