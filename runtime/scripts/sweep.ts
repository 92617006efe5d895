import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const sweepScript = new Script("sweep");

export interface Swept {
  /** Completed and cancelled jobs whose retention has ended. */
  readonly done: number;
  readonly dead: number;
  /** Idempotency keys whose ttl has ended. */
  readonly keys: number;
  /** Events whose retention has ended. */
  readonly events: number;
  /** Handlers whose time to wait for an event is over. */
  readonly listeners: number;
}

/** Removes what has expired, at most `limit` of each kind. */
export async function sweep(runner: ScriptRunner, keys: ShardKeys, limit: number): Promise<Swept> {
  const [done, dead, removedKeys, events, listeners] = (await runner.run(
    sweepScript,
    [
      keys.jobs,
      keys.runs,
      keys.done,
      keys.dead,
      keys.keys,
      keys.keysExpiry,
      keys.notes,
      keys.groups,
      keys.waiting,
      keys.events,
      keys.eventsExpiry,
      keys.listeners,
      keys.listenersExpiry,
    ],
    [limit],
  )) as [number, number, number, number, number];
  return { done, dead, keys: removedKeys, events, listeners };
}
