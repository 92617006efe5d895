import type { RunStart, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";
import { begunArguments } from "./start-run.js";

export const followRunScript = new Script("follow-run");

export interface FollowRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job of the step. */
  readonly id: string;
  /** The run of which it is a step, and where the own jobs of that wait. */
  readonly parent: string;
  readonly queue: string;
  /** Of an item of a fan-out: `<step>.<index>`. */
  readonly step: string;
  readonly run: string;
  /** Until the job comes back to look (ms); it comes at once when the run has ended. */
  readonly lookMs: number;
  /** What is to be done with the run before that: `wait` is nothing. */
  readonly action:
    | { readonly kind: "start"; readonly parent: string; readonly start: RunStart }
    | { readonly kind: "retry"; readonly queue: string; readonly decider: string }
    | { readonly kind: "wait" };
}

/** AGAIN: one of the two runs is not as the caller believes. */
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
