import { eventField, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const keepEventScript = new Script("keep-event");

export interface KeepEventCall {
  readonly keys: ShardKeys;
  readonly event: string;
  readonly id: string;
  /** In JSON. */
  readonly payload: string;
  /** From when it is kept first (ms). */
  readonly keepMs: number;
  /** Its actions that a replay passes over: `<observer>.<number>`. */
  readonly settled: readonly string[];
  /** Actions of which that was said too early. */
  readonly open: readonly string[];
}

/** Resent, it changes nothing. `CONFLICT`: one of another payload is kept there; the order of its fields is none. */
export async function keepEvent(runner: ScriptRunner, call: KeepEventCall): Promise<"CONFLICT" | "KEPT"> {
  const { keys, event, id, payload, keepMs, settled, open } = call;
  return (await runner.run(
    keepEventScript,
    [keys.events, keys.eventsExpiry],
    [eventField(event, id), payload, keepMs, settled.join(" "), open.join(" ")],
  )) as "CONFLICT" | "KEPT";
}
