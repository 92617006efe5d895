import type { RunStart, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";
import { begunArguments } from "./start-run.js";

export const followRunScript = new Script("follow-run");

export interface FollowRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job of the parent's step. */
  readonly id: string;
  /** The parent run, and the queue of its own jobs. */
  readonly parent: string;
  readonly queue: string;
  /** For an item of a fan-out: `<step>.<index>`. */
  readonly step: string;
  readonly run: string;
  /** Time until the job checks again (ms); it comes at once when the child run has ended. */
  readonly lookMs: number;
  /** What to do with the child run first; `wait` does nothing. */
  readonly action:
    | { readonly kind: "start"; readonly parent: string; readonly start: RunStart }
    | { readonly kind: "retry"; readonly queue: string; readonly decider: string }
    | { readonly kind: "wait" };
}

/** AGAIN: one of the two runs is not in the state that the caller assumed. */
export type FollowRunReply = "LOST" | "GONE" | "AGAIN" | "WAITING";

export async function followRun(runner: ScriptRunner, call: FollowRunCall): Promise<FollowRunReply> {
  const { keys, action } = call;
  const scriptKeys = [
    keys.jobs,
    keys.active,
    keys.leases,
    keys.workflows,
    keys.limited,
    keys.groups,
    keys.waiting,
    keys.running,
    keys.listeners,
    keys.ended,
    keys.cancels,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  places.of(call.queue);
  const args: ScriptArgument[] = [call.worker, call.id, call.parent, call.step, call.run, call.lookMs];
  args.push(action.kind);
  if (action.kind === "retry") args.push(places.of(action.queue), action.decider);
  if (action.kind === "start") {
    const { record, definition } = action.start;
    args.push(action.parent, record, definition.field, definition.text);
    args.push(...begunArguments(action.start, places));
  }
  return (await runner.run(followRunScript, scriptKeys, args)) as FollowRunReply;
}
