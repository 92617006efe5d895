import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const tellScript = new Script("tell");

export interface TellCall {
  readonly keys: ShardKeys;
  /** Of the event. */
  readonly id: string;
  readonly payload: string;
  /** What the listeners begin with; see `listenerHead`. */
  readonly head: string;
  /** Goes on behind this listener. */
  readonly behind: string | undefined;
  readonly queues: readonly string[];
}

/** Who has heard of it. */
export interface Told {
  readonly runs: readonly string[];
  readonly jobs: readonly string[];
}

export interface TellReply extends Told {
  /** Where there may be more: go on behind it. */
  readonly last: string | undefined;
  /** Runs and jobs that wait there have not heard of it: tell them with these queues. */
  readonly missingQueues: readonly string[];
}

/** One script must not hold Redis for long. */
const MOST_LISTENERS = 500;

export async function tell(runner: ScriptRunner, call: TellCall): Promise<TellReply> {
  const { keys, id, payload, head, behind, queues } = call;
  // A line feed ends the head, and what comes after it in the order of bytes ends the listeners.
  const to = `(${head.slice(0, -1)}\v`;
  const from = behind === undefined ? `[${head}` : `(${behind}`;
  const queueKeys = queues.flatMap((queue) => {
    const { pending, due, wake } = keys.queue(queue);
    return [pending, due, wake];
  });
  const [last, missing, runs, jobs] = (await runner.run(
    tellScript,
    [keys.workflows, keys.listeners, keys.listenersExpiry, keys.notes, keys.runs, ...queueKeys],
    [id, payload, from, to, MOST_LISTENERS, ...queues],
  )) as [last: string, missing: string, runs: string[], jobs: string[]];
  return {
    runs,
    jobs,
    last: last === "" ? undefined : last,
    missingQueues: missing === "" ? [] : [...new Set(missing.split(" "))],
  };
}
