import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const enqueueOneScript = new Script("enqueue-one", "enqueue");

interface EnqueueOneCall {
  readonly keys: ShardKeys;
  /** These three as in `EnqueueCall`. */
  readonly client: string;
  readonly slot: number;
  readonly call: number;
  readonly item: { readonly id: string; readonly queue: string; readonly record: string };
}

/** Gives the lines of what `enqueue` replies. */
export async function enqueueOne(
  runner: ScriptRunner,
  { keys, client, slot, call, item: { id, queue, record } }: EnqueueOneCall,
): Promise<readonly string[]> {
  const { pending, wake } = keys.queue(queue);
  const scriptKeys = [keys.jobs, keys.sent(client, slot), keys.draining, pending, wake];
  const reply = await runner.run(enqueueOneScript, scriptKeys, [call, id, record]);
  return (reply as string).split("\n");
}
