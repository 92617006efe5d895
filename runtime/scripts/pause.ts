import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const pauseScript = new Script("pause");

export interface PauseCall {
  readonly keys: ShardKeys;
  readonly task: string;
  readonly action: "pause" | "resume";
  /** All queues in which jobs of the task may stand: their workers are woken. */
  readonly queues: readonly string[];
}

/** Resolves to false when the task was in that state before. */
export async function pause(
  runner: ScriptRunner,
  { keys, task, action, queues }: PauseCall,
): Promise<boolean> {
  const wakes = queues.map((queue) => keys.queue(queue).wake);
  return (await runner.run(pauseScript, [keys.paused, keys.groups, ...wakes], [task, action])) === 1;
}
