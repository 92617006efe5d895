import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const forgetRunScript = new Script("forget-run");

export interface ForgetRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** With this part nothing is known of the run any more. */
  readonly isLast: boolean;
  readonly fields: readonly string[];
}

export async function forgetRun(runner: ScriptRunner, call: ForgetRunCall): Promise<void> {
  const { keys, run, isLast, fields } = call;
  await runner.run(forgetRunScript, [keys.workflows, keys.ended], [run, isLast ? 1 : 0, ...fields]);
}
