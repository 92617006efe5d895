import type { BegunJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const resumeRunScript = new Script("resume-run");

export interface ResumeRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The decider: the job that resumes the run. */
  readonly id: string;
  readonly run: string;
  /** With this part, the run is resumed. */
  readonly isLast: boolean;
  /** Queues that may contain its jobs. */
  readonly queues: readonly string[];
  /** Fields of the `workflows` hash to remove. */
  readonly removed: readonly string[];
  /** Fields of the `workflows` hash to rename, if they exist. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Jobs of earlier attempts to remove, with all their data. */
  readonly dropped: readonly string[];
  /** Keeps what the handlers of the dropped jobs have noted, except for their event listeners. */
  readonly keepsNotes: boolean;
  /** Fields of the `workflows` hash to write. */
  readonly written: ReadonlyMap<string, number | string>;
  readonly begins: readonly BegunJob[];
  /** The job that ends the run at its timeout; the run does not wait for it. */
  readonly timeout: BegunJob | undefined;
  /** Members of `listeners`: the events that the run receives. */
  readonly listeners: readonly string[];
}

/** MOVED: the run is no longer being retried. */
export type ResumeRunReply = "LOST" | "GONE" | "MOVED" | "RESUMED";

export async function resumeRun(runner: ScriptRunner, call: ResumeRunCall): Promise<ResumeRunReply> {
  const { keys, removed, renamed, dropped, written } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.workflows,
    keys.done,
    keys.dead,
    keys.notes,
    keys.limited,
    keys.groups,
    keys.waiting,
    keys.listeners,
    keys.cancels,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const queues = [...new Set(call.queues)];
  for (const queue of queues) places.of(queue);
  const args: ScriptArgument[] = [
    call.worker,
    call.id,
    call.run,
    call.isLast ? 1 : 0,
    call.keepsNotes ? 1 : 0,
  ];
  args.push(queues.length, ...queues, removed.length, ...removed, renamed.size, ...[...renamed].flat());
  args.push(dropped.length, ...dropped, written.size, ...[...written].flat());
  args.push(call.listeners.length, ...call.listeners, call.begins.length);
  for (const begin of call.timeout === undefined ? call.begins : [...call.begins, call.timeout]) {
    args.push(begin.id, places.of(begin.queue), begin.delayMs, begin.limit, begin.record);
  }
  return (await runner.run(resumeRunScript, scriptKeys, args)) as ResumeRunReply;
}
