import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const suspendScript = new Script("suspend");

export interface SuspendCall {
  readonly keys: ShardKeys;
  readonly schedule: string;
  readonly action: "pause" | "resume";
}

export async function suspend(runner: ScriptRunner, call: SuspendCall): Promise<"NOTFOUND" | "OK"> {
  const reply = await runner.run(suspendScript, [call.keys.schedules], [call.schedule, call.action]);
  return reply as "NOTFOUND" | "OK";
}
