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

export interface SweepTurn {
  /** No other worker needs to sweep for so long (ms). */
  readonly forMs: number;
  /** It was this worker's turn before, and it goes on. */
  readonly goesOn: boolean;
}

/** Removes what has expired, at most `limit` of each kind. `SWEPT`: it is another worker's turn. */
export async function sweep(
  runner: ScriptRunner,
  keys: ShardKeys,
  limit: number,
  turn: SweepTurn = { forMs: 0, goesOn: false },
): Promise<Swept | "SWEPT"> {
  const reply = await runner.run(
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
      keys.swept,
    ],
    [limit, turn.forMs, turn.goesOn ? 1 : 0],
  );
  if (reply === "SWEPT") return "SWEPT";
  const [done, dead, removedKeys, events, listeners] = reply as [number, number, number, number, number];
  return { done, dead, keys: removedKeys, events, listeners };
}
