import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const storeItemsScript = new Script("store-items");

export interface StoreItemsCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job that fans out. */
  readonly id: string;
  /** Fields of the `workflows` hash, alternating with their values. */
  readonly fields: readonly string[];
}

export async function storeItems(
  runner: ScriptRunner,
  call: StoreItemsCall,
): Promise<"LOST" | "GONE" | "STORED"> {
  const { keys } = call;
  return (await runner.run(
    storeItemsScript,
    [keys.active, keys.leases, keys.workflows],
    [call.worker, call.id, ...call.fields],
  )) as "LOST" | "GONE" | "STORED";
}
