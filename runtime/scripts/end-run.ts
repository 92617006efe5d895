import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const endRunScript = new Script("end-run");

export interface EndRunCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** The job that decides. */
  readonly id: string;
  readonly run: string;
  /** As `encodeRunEnd` makes it. */
  readonly end: string;
  readonly keepMs: number;
  /** Field of the `keys` hash to free, or `""`. */
  readonly key: string;
  /** Where the run's own jobs wait. */
  readonly queue: string;
  /** The job of its timeout, which is not needed any more, or `""`. */
  readonly timeout: string;
  /** The state when that was decided, `""`: it ran. */
  readonly state: string;
  /** Members of `listeners`. */
  readonly listeners: readonly string[];
}

/** MOVED: the run has turned to another state meanwhile. */
export type EndRunReply = "LOST" | "GONE" | "MOVED" | "ENDED";

export async function endRun(runner: ScriptRunner, call: EndRunCall): Promise<EndRunReply> {
  const { keys } = call;
  return (await runner.run(
    endRunScript,
    [
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
      keys.queue(call.queue).due,
    ],
    [
      keys.tag,
      call.worker,
      call.id,
      call.run,
      call.end,
      call.keepMs,
      call.key,
      call.timeout,
      call.state,
      ...call.listeners,
    ],
  )) as EndRunReply;
}
