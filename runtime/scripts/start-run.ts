import type { RunStart, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const startRunScript = new Script("start-run");

export interface StartRunCall extends RunStart {
  readonly keys: ShardKeys;
  /** Field of the `keys` hash, or `""`. */
  readonly key: string;
  readonly keyTtlMs: number;
}

/** The run that there is now. */
export interface StartedRun {
  readonly id: string;
  /** Its record, when this call did not store it; `""` when nothing is known of it any more. */
  readonly known: string | undefined;
}

export async function startRun(runner: ScriptRunner, call: StartRunCall): Promise<StartedRun> {
  const { keys } = call;
  const scriptKeys = [
    keys.jobs,
    keys.workflows,
    keys.keys,
    keys.keysExpiry,
    keys.limited,
    keys.groups,
    keys.waiting,
    keys.running,
    keys.listeners,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const args = [...storedArguments(call), call.key, call.keyTtlMs, ...begunArguments(call, places)];
  const [id, known] = (await runner.run(startRunScript, scriptKeys, args)) as [string, string?];
  return { id, known };
}

/** Id, record and definition of a run. */
export function storedArguments({ run, record, definition }: RunStart): ScriptArgument[] {
  return [run, record, definition.field, definition.text];
}

/** What a run begins with, as lib/launch.lua reads it; its queues get their places behind the other keys. */
export function begunArguments(
  { begins, timeout, listeners }: RunStart,
  places: QueuePlaces,
): ScriptArgument[] {
  const args: ScriptArgument[] = [begins.length, listeners.length, ...listeners];
  for (const begin of timeout === undefined ? begins : [...begins, timeout]) {
    args.push(begin.id, places.of(begin.queue), begin.delayMs, begin.limit, begin.record);
  }
  return args;
}
