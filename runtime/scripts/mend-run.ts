import type { BegunJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const mendRunScript = new Script("mend-run");

export interface MendRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  /** Where the run's own jobs wait; any, where no job is to decide. */
  readonly queue: string;
  /** What was seen, `""`: none. Another record, state or count, and nothing is done. */
  readonly seen: { readonly record: string; readonly state: string; readonly open: string };
  /** What is to be. Times in the lists stay where the run stands there already. */
  readonly target: {
    readonly runningSince: number | undefined;
    readonly removedAt: number | undefined;
    /** `""`: no count. */
    readonly open: string;
    /** A job that says how the run goes on; it must not be there. */
    readonly decider: BegunJob | undefined;
  };
  /** Fields of `workflows`, and members of `listeners`, that go. At most some 7,000 of both. */
  readonly fields: readonly string[];
  readonly listeners: readonly string[];
}

export async function mendRun(runner: ScriptRunner, call: MendRunCall): Promise<"MOVED" | "REPAIRED"> {
  const { keys, run, seen, target, fields, listeners } = call;
  const { decider, open, removedAt, runningSince } = target;
  const queue = keys.queue(call.queue);
  const reply = await runner.run(
    mendRunScript,
    [keys.jobs, keys.workflows, keys.running, keys.ended, keys.listeners, queue.pending, queue.wake],
    [
      run,
      seen.record,
      seen.state,
      seen.open,
      runningSince ?? "",
      removedAt ?? "",
      open,
      decider?.id ?? "",
      decider?.record ?? "",
      fields.length,
      ...fields,
      ...listeners,
    ],
  );
  return reply as "MOVED" | "REPAIRED";
}
