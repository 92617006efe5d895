import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const sweepScript = new Script("sweep");

export interface Swept {
  /** Removed completed and cancelled jobs. */
  readonly done: number;
  readonly dead: number;
  /** Removed idempotency keys. */
  readonly keys: number;
  /** Removed events. */
  readonly events: number;
  /** Removed listeners of handlers whose wait has timed out. */
  readonly listeners: number;
}

export interface SweepTurn {
  /** For this long no other worker needs to sweep (ms). */
  readonly forMs: number;
  /** True if this worker is continuing its own sweep. */
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
