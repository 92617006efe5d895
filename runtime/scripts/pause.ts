import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const pauseScript = new Script("pause");

export interface PauseCall {
  readonly keys: ShardKeys;
  readonly kind: "queue" | "task";
  readonly name: string;
  readonly action: "pause" | "resume";
  /** All queues in which jobs of it may stand: to resume, their workers are woken. */
  readonly queues: readonly string[];
}

/** Resolves to false when it was in that state before. */
export async function pause(
  runner: ScriptRunner,
  { keys, kind, name, action, queues }: PauseCall,
): Promise<boolean> {
  const wakes = queues.map((queue) => keys.queue(queue).wake);
  return (await runner.run(pauseScript, [keys.paused, keys.groups, ...wakes], [kind, name, action])) === 1;
}
