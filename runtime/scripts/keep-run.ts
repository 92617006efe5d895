import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const keepRunScript = new Script("keep-run");

export interface KeepRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  readonly parent: string;
  /** Retention from now on (ms). */
  readonly keepMs: number;
}

export async function keepRun(runner: ScriptRunner, call: KeepRunCall): Promise<"FREE" | "KEPT"> {
  const { keys, run, parent, keepMs } = call;
  return (await runner.run(keepRunScript, [keys.workflows, keys.ended], [run, parent, keepMs])) as
    "FREE" | "KEPT";
}
