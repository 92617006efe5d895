import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const awaitScript = new Script("await");

export interface AwaitCall {
  readonly keys: ShardKeys;
  readonly id: string;
  /** Name of the client, which listens on its own channel. */
  readonly client: string;
}

export type AwaitReply = "NOTFOUND" | "WAITING" | { readonly record: string; readonly run: string };

export async function awaitJob(runner: ScriptRunner, call: AwaitCall): Promise<AwaitReply> {
  const { keys } = call;
  const reply = await runner.run(awaitScript, [keys.jobs, keys.runs, keys.waits], [call.id, call.client]);
  if (reply === "NOTFOUND" || reply === "WAITING") return reply;
  const [record, run] = reply as [string, string];
  return { record, run };
}
