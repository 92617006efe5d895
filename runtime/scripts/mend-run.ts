import type { BegunJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const mendRunScript = new Script("mend-run");

export interface MendRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Queue of the run's own jobs; may be any queue if no job begins. */
  readonly queue: string;
  /**
   * The record, state and count as they were seen (`""` for none). If one of them has changed, the script
   * does nothing.
   */
  readonly seen: { readonly record: string; readonly state: string; readonly open: string };
  /** The intended state. If the run is already in a list, its time there is kept. */
  readonly target: {
    readonly runningSince: number | undefined;
    readonly removedAt: number | undefined;
    /** `""` removes the count. */
    readonly open: string;
  };
  /** Jobs of the run's own queue that begin, without limits: none of them may exist. */
  readonly begins: readonly BegunJob[];
  /**
   * Fields of `workflows` to remove. Together with the jobs and the listeners at most about 7,000, the limit
   * of `unpack`.
   */
  readonly fields: readonly string[];
  /** Members of `listeners` to remove and to add. */
  readonly listeners: { readonly go: readonly string[]; readonly come: readonly string[] };
}

export async function mendRun(runner: ScriptRunner, call: MendRunCall): Promise<"MOVED" | "REPAIRED"> {
  const { keys, run, seen, target, begins, fields, listeners } = call;
  const { pending, due, wake } = keys.queue(call.queue);
  const reply = await runner.run(
    mendRunScript,
    [keys.jobs, keys.workflows, keys.running, keys.ended, keys.listeners, pending, due, wake],
    [
      run,
      seen.record,
      seen.state,
      seen.open,
      target.runningSince ?? "",
      target.removedAt ?? "",
      target.open,
      begins.length,
      ...begins.flatMap(({ id, delayMs, record }) => [id, delayMs, record]),
      fields.length,
      ...fields,
      listeners.go.length,
      ...listeners.go,
      listeners.come.length,
      ...listeners.come,
    ],
  );
  return reply as "MOVED" | "REPAIRED";
}
