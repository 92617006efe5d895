import type { LimitedGroup, Overlap } from "../definition/index.js";
import type { ShardKeys } from "../protocol/index.js";
import { groupText } from "./enqueue.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const tickScript = new Script("tick");

export interface TickJob {
  readonly tickMs: number;
  readonly id: string;
  readonly record: string;
  readonly dueMs: number;
}

export interface TickCall {
  readonly keys: ShardKeys;
  readonly schedule: string;
  readonly queue: string;
  /** The last settled tick that the caller knows of. */
  readonly lastMs: number;
  readonly upToMs: number;
  readonly overlap: Overlap;
  /** Most pending jobs of the queue; 0 for any number. */
  readonly maxPending: number;
  /** The newest tick that was missed and does not run; 0 for none. */
  readonly missedMs: number;
  /** Group of the jobs; `undefined` if they have no limit. */
  readonly group: LimitedGroup | undefined;
  /** Oldest first. */
  readonly jobs: readonly TickJob[];
}

/** Number of jobs stored, or why nothing was done. */
export type TickReply = number | "EARLY" | "FULL" | "MOVED";

export async function tick(runner: ScriptRunner, call: TickCall): Promise<TickReply> {
  const { keys, schedule, lastMs, upToMs, overlap, maxPending, missedMs } = call;
  const queue = keys.queue(call.queue);
  const args: ScriptArgument[] = [schedule, lastMs, upToMs, overlap, maxPending, missedMs];
  args.push(call.queue, groupText(call.group));
  for (const job of call.jobs) args.push(job.tickMs, job.id, job.record, job.dueMs);
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.schedules,
    keys.limited,
    keys.groups,
    keys.waiting,
    keys.draining,
    keys.workflows,
    keys.active,
    queue.pending,
    queue.due,
    queue.wake,
  ];
  return (await runner.run(tickScript, scriptKeys, args)) as TickReply;
}
