import { eventField, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const keepEventScript = new Script("keep-event");

export interface KeepEventCall {
  readonly keys: ShardKeys;
  readonly event: string;
  readonly id: string;
  /** As JSON. */
  readonly payload: string;
  /** Retention from the first emit (ms). */
  readonly keepMs: number;
  /** Actions that a replay skips: `<observer>.<number>`. */
  readonly settled: readonly string[];
  /** Actions that were stored as settled too early. */
  readonly open: readonly string[];
}

/**
 * Idempotent. `CONFLICT`: an event with another payload is stored under this id; the order of fields does not
 * matter.
 */
export async function keepEvent(runner: ScriptRunner, call: KeepEventCall): Promise<"CONFLICT" | "KEPT"> {
  const { keys, event, id, payload, keepMs, settled, open } = call;
  return (await runner.run(
    keepEventScript,
    [keys.events, keys.eventsExpiry],
    [eventField(event, id), payload, keepMs, settled.join(" "), open.join(" ")],
  )) as "CONFLICT" | "KEPT";
}
