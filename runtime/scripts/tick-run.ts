import type { Overlap } from "../definition/index.js";
import type { RunStart, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";
import { begunArguments } from "./start-run.js";

export const tickRunScript = new Script("tick-run");

export interface TickRunCall {
  readonly keys: ShardKeys;
  readonly schedule: string;
  /** The last settled tick that the caller knows of. */
  readonly lastMs: number;
  /** The tick of the run, if there is one. */
  readonly upToMs: number;
  readonly overlap: Overlap;
  /** The newest tick that was missed and does not run; 0 for none. */
  readonly missedMs: number;
  /** `undefined` if no tick runs. */
  readonly start: RunStart | undefined;
}

/** Number of runs started, or why none was. WAITING: the run to be replaced has not ended. */
export type TickRunReply = 0 | 1 | "EARLY" | "MOVED" | "WAITING";

export async function tickRun(runner: ScriptRunner, call: TickRunCall): Promise<TickRunReply> {
  const { keys, schedule, lastMs, upToMs, overlap, missedMs, start } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.workflows,
    keys.schedules,
    keys.limited,
    keys.groups,
    keys.waiting,
    keys.running,
    keys.listeners,
    keys.active,
  ];
  const args: ScriptArgument[] = [schedule, lastMs, upToMs, overlap, missedMs];
  if (start === undefined) args.push("");
  else {
    const { run, record, definition } = start;
    args.push(run, record, definition.field, definition.text);
    args.push(...begunArguments(start, new QueuePlaces(keys, scriptKeys)));
  }
  return (await runner.run(tickRunScript, scriptKeys, args)) as TickRunReply;
}
