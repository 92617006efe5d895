import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const endRunScript = new Script("end-run");

export interface EndedRun {
  /** The decider: the job that ends the run. */
  readonly id: string;
  readonly run: string;
  /** As `encodeRunEnd` makes it. */
  readonly end: string;
  readonly keepMs: number;
  /** Field of the `keys` hash to free, or `""`. */
  readonly key: string;
  /** Queue of the run's own jobs. */
  readonly queue: string;
  /** The job of the run's timeout, which is no longer needed, or `""`. */
  readonly timeout: string;
  /** The state of the run when its end was decided; `""` means running. */
  readonly state: string;
  /** The job of the parent's step that waits for this run, and its queue. */
  readonly parent: { readonly job: string; readonly queue: string } | undefined;
  /** Members of `listeners` to remove. */
  readonly listeners: readonly string[];
}

export interface EndRunsCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly ends: readonly EndedRun[];
}

/** MOVED: the run has changed to another state meanwhile. */
export type EndRunReply = "LOST" | "GONE" | "MOVED" | "ENDED";

/** The replies are in the order of the ends. */
export async function endRuns(runner: ScriptRunner, call: EndRunsCall): Promise<readonly EndRunReply[]> {
  const { keys, worker, ends } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.workflows,
    keys.ended,
    keys.keys,
    keys.waits,
    keys.running,
    keys.listeners,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const args: ScriptArgument[] = [keys.tag, worker];
  for (const { id, run, end, keepMs, key, timeout, queue, state, parent, listeners } of ends) {
    args.push(id, run, end, keepMs, key, timeout, places.of(queue), state);
    args.push(parent?.job ?? "", places.of(parent?.queue ?? queue), listeners.length, ...listeners);
  }
  const reply = (await runner.run(endRunScript, scriptKeys, args)) as "LOST" | readonly EndRunReply[];
  return reply === "LOST" ? ends.map(() => "LOST") : reply;
}
