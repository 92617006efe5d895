import { Script, type ScriptRunner } from "./script.js";
import type { AwaitCall } from "./await.js";

export const awaitRunScript = new Script("await-run");

export type AwaitRunReply = "NOTFOUND" | "WAITING" | { readonly record: string; readonly state: string };

/** Like `awaitJob`, for a workflow run. */
export async function awaitRun(runner: ScriptRunner, call: AwaitCall): Promise<AwaitRunReply> {
  const { keys } = call;
  const reply = await runner.run(awaitRunScript, [keys.workflows, keys.waits], [call.id, call.client]);
  if (reply === "NOTFOUND" || reply === "WAITING") return reply;
  const [record, state] = reply as [string, string];
  return { record, state };
}
