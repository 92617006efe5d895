import type { BegunJob, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const resumeRunScript = new Script("resume-run");

export interface ResumeRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job that decides. */
  readonly id: string;
  readonly run: string;
  /** With this part the run goes on. */
  readonly isLast: boolean;
  /** Queues in which its jobs may stand. */
  readonly queues: readonly string[];
  /** Fields of the `workflows` hash to remove. */
  readonly removed: readonly string[];
  /** Fields of it that get another name, where they are there. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Jobs of earlier attempts to remove, with all that is known about them. */
  readonly dropped: readonly string[];
  /** What the handlers of these have noted stays, but for what they listen to. */
  readonly keepsNotes: boolean;
  /** Field of the `workflows` hash -> value. */
  readonly written: ReadonlyMap<string, number | string>;
  readonly begins: readonly BegunJob[];
  /** Ends the run when its time is over; it does not wait for this job. */
  readonly timeout: BegunJob | undefined;
  /** Members of `listeners`: the events that the run hears of. */
  readonly listeners: readonly string[];
}

/** MOVED: the run is not retried any longer. */
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
