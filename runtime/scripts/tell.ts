import type { ShardKeys } from "../protocol/index.js";
import { Script, type ScriptRunner } from "./script.js";

export const tellScript = new Script("tell");

export interface TellCall {
  readonly keys: ShardKeys;
  /** Id of the event. */
  readonly id: string;
  readonly payload: string;
  /** Prefix of the listeners; see `listenerHead`. */
  readonly head: string;
  /** Continues after this listener. */
  readonly behind: string | undefined;
  readonly queues: readonly string[];
}

/** The listeners that have received the event. */
export interface Told {
  readonly runs: readonly string[];
  readonly jobs: readonly string[];
}

export interface TellReply extends Told {
  /** Present if there may be more listeners: continue after this one. */
  readonly last: string | undefined;
  /** Runs and jobs in these queues have not been told: repeat the call with these queues. */
  readonly missingQueues: readonly string[];
}

/** Limits the call, because a script must not hold Redis for long. */
const MOST_LISTENERS = 500;

export async function tell(runner: ScriptRunner, call: TellCall): Promise<TellReply> {
  const { keys, id, payload, head, behind, queues } = call;
  // A line feed ends the prefix, so the next byte value (vertical tab) ends the range of listeners.
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
