import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const failScript = new Script("fail");

export interface FailCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly id: string;
  readonly queue: string;
  /** `unserved`: a retry of a job that has not started here, which a rate limit does not count. */
  readonly outcome: "retry" | "unserved" | "dead" | "cancelled";
  readonly run: string;
  /** Time until the retry, or time to keep the dead job (0 removes it). */
  readonly ms: number;
  /** How long to keep the job if it is cancelled instead of retried, because a cancel was requested. */
  readonly keepCancelledMs: number;
  /**
   * The wait for an event until which the job rests. If that wait has ended meanwhile, the job is due at
   * once.
   */
  readonly wait?: string | undefined;
}

export type FailReply = "LOST" | "GONE" | "retry" | "dead" | "cancelled";

export interface Failed {
  readonly outcome: FailReply;
  /**
   * Queues other than the job's that need a hint, because a job waiting at the gate for one of them may now
   * pass.
   */
  readonly invited: readonly string[];
}

export async function fail(runner: ScriptRunner, call: FailCall): Promise<Failed> {
  const { keys } = call;
  const queue = keys.queue(call.queue);
  const wait = call.wait === undefined ? "" : JSON.stringify(call.wait);
  const reply = (await runner.run(
    failScript,
    [
      keys.jobs,
      keys.runs,
      keys.active,
      keys.leases,
      keys.done,
      keys.dead,
      keys.keys,
      keys.cancels,
      keys.waits,
      keys.notes,
      keys.limited,
      keys.groups,
      keys.waiting,
      keys.workflows,
      queue.due,
      queue.wake,
    ],
    [keys.tag, call.worker, call.id, call.outcome, call.run, call.ms, call.keepCancelledMs, wait],
  )) as string;
  const [outcome, ...invited] = reply.split(" ") as [FailReply, ...string[]];
  return { outcome, invited: invited.filter((name) => name !== call.queue) };
}
