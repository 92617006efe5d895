import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const tellRunsScript = new Script("tell-runs");

export interface TellRunsCall {
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

export interface TellRunsReply {
  readonly runs: readonly string[];
  /** Where there may be more: go on behind it. */
  readonly last: string | undefined;
  /** Runs that wait there have not heard of it: tell them with these queues. */
  readonly missingQueues: readonly string[];
}

/** One script must not hold Redis for long. */
const MOST_LISTENERS = 500;

export async function tellRuns(runner: ScriptRunner, call: TellRunsCall): Promise<TellRunsReply> {
  const { keys, id, payload, head, behind, queues } = call;
  // A line feed ends the head, and what comes after it in the order of bytes ends the listeners.
  const to = `(${head.slice(0, -1)}\v`;
  const from = behind === undefined ? `[${head}` : `(${behind}`;
  const queueKeys = queues.flatMap((queue) => {
    const { pending, due, wake } = keys.queue(queue);
    return [pending, due, wake];
  });
  const reply = (await runner.run(
    tellRunsScript,
    [keys.workflows, keys.listeners, ...queueKeys],
    [id, payload, from, to, MOST_LISTENERS, ...queues],
  )) as string[];
  const [last = "", missing = "", ...runs] = reply;
  return {
    runs,
    last: last === "" ? undefined : last,
    missingQueues: missing === "" ? [] : [...new Set(missing.split(" "))],
  };
}
