import { eventField, type ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const keepEventScript = new Script("keep-event");

export interface OpenAction {
  /** `<observer>.<number>` */
  readonly name: string;
  /** Of its job or run. */
  readonly id: string;
}

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
  /** Actions that were stored as settled too early; they stay settled if their job or run is there. */
  readonly open: readonly OpenAction[];
}

/**
 * Idempotent. `CONFLICT`: an event with another payload is stored under this id; the order of fields does not
 * matter.
 */
export async function keepEvent(runner: ScriptRunner, call: KeepEventCall): Promise<"CONFLICT" | "KEPT"> {
  const { keys, event, id, payload, keepMs, settled, open } = call;
  return (await runner.run(
    keepEventScript,
    [keys.events, keys.eventsExpiry, keys.jobs, keys.workflows],
    [
      eventField(event, id),
      payload,
      keepMs,
      settled.join(" "),
      open.map((action) => `${action.name} ${action.id}`).join(" "),
    ],
  )) as "CONFLICT" | "KEPT";
}
