import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const takeScript = new Script("take");

export interface TakeCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly queues: readonly string[];
}

export interface Taken {
  readonly id: string;
  /** `null` if the job is gone. */
  readonly record: string | null;
  /** Absent until something has happened to the job. */
  readonly run: string | undefined;
  /** Whether there are more jobs, or jobs that are due later. */
  readonly more: boolean;
}

/** `NONE`: nothing was taken; there may be jobs that only `advance` can claim. */
export async function take(runner: ScriptRunner, call: TakeCall): Promise<Taken | "LOST" | "NONE"> {
  const { keys, worker, queues } = call;
  const lists = queues
    .map((queue) => keys.queue(queue))
    .flatMap(({ pending, due, wake }) => [pending, due, wake]);
  const scriptKeys = [keys.jobs, keys.runs, keys.active, keys.leases, keys.paused, keys.limited, ...lists];
  const reply = await runner.run(takeScript, scriptKeys, [worker]);
  if (reply === "LOST" || reply === "NONE") return reply;
  const [id, record, run, more] = reply as [string, string, string, number];
  return { id, record: record || null, run: run || undefined, more: more === 1 };
}
