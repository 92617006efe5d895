import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const enqueueOneScript = new Script("enqueue-one", "enqueue");

/** As in `EnqueueCall`. */
interface EnqueueOneCall {
  readonly keys: ShardKeys;
  readonly client: string;
  readonly slot: number;
  readonly call: number;
  readonly asksTime?: boolean;
}

interface EnqueueOneItem {
  readonly id: string;
  readonly queue: string;
  readonly record: string;
}

/** Resolves to the reply of `enqueue` with its lines joined in one text. */
export function enqueueOne(
  runner: ScriptRunner,
  { keys, client, slot, call, asksTime = true }: EnqueueOneCall,
  { id, queue, record }: EnqueueOneItem,
): Promise<unknown> {
  const { pending, wake } = keys.queue(queue);
  const scriptKeys = [keys.jobs, keys.sent(client, slot), keys.draining, pending, wake];
  return runner.run(enqueueOneScript, scriptKeys, [asksTime ? `${call} t` : call, id, record]);
}
