import type { BegunJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const mendRunScript = new Script("mend-run");

export interface MendRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Where the run's own jobs wait; any, where none begins. */
  readonly queue: string;
  /** What was seen, `""`: none. Another record, state or count, and nothing is done. */
  readonly seen: { readonly record: string; readonly state: string; readonly open: string };
  /** What is to be. Times in the lists stay where the run stands there already. */
  readonly target: {
    readonly runningSince: number | undefined;
    readonly removedAt: number | undefined;
    /** `""`: no count. */
    readonly open: string;
  };
  /** Jobs of its own queue that begin, without limits: none of them may be there. */
  readonly begins: readonly BegunJob[];
  /** Fields of `workflows` that go. With the jobs and the listeners, at most some 7,000. */
  readonly fields: readonly string[];
  /** Members of `listeners`. */
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
