import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const drainScript = new Script("drain");

export interface DrainCall {
  readonly keys: ShardKeys;
  readonly kind: "queue" | "task";
  readonly name: string;
  readonly action: "drain" | "accept";
}

/** Resolves to false if the queue or task was already in that state. */
export async function drain(runner: ScriptRunner, { keys, kind, name, action }: DrainCall): Promise<boolean> {
  return (await runner.run(drainScript, [keys.draining], [kind, name, action])) === 1;
}
