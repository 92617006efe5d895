import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const runAloneScript = new Script("run-alone");

export interface RunAloneCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly id: string;
}

/** Records that the worker runs this job alone; resolves to the text of its new history. */
export async function runAlone(
  runner: ScriptRunner,
  call: RunAloneCall,
): Promise<"LOST" | "GONE" | (string & {})> {
  const { keys } = call;
  const reply = await runner.run(
    runAloneScript,
    [keys.runs, keys.active, keys.leases],
    [call.worker, call.id],
  );
  return reply as string;
}
