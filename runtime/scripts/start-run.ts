import type { BeginStep, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const startRunScript = new Script("start-run");

export interface StartRunCall {
  readonly keys: ShardKeys;
  readonly run: string;
  readonly record: string;
  readonly definition: { readonly field: string; readonly text: string };
  /** Field of the `keys` hash, or `""`. */
  readonly key: string;
  readonly keyTtlMs: number;
  readonly begins: readonly BeginStep[];
  /** Ends the run when its time is over; it does not wait for this job. */
  readonly timeout: BeginStep | undefined;
  /** Members of `listeners`: the events that the run hears of. */
  readonly listeners: readonly string[];
}

/** The run that there is now. */
export interface StartedRun {
  readonly id: string;
  /** Its record, when this call did not store it; `""` when nothing is known of it any more. */
  readonly known: string | undefined;
}

export async function startRun(runner: ScriptRunner, call: StartRunCall): Promise<StartedRun> {
  const { keys, definition } = call;
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
  const args: ScriptArgument[] = [call.run, call.record, definition.field, definition.text];
  args.push(call.key, call.keyTtlMs, call.begins.length, call.listeners.length, ...call.listeners);
  for (const begin of call.timeout === undefined ? call.begins : [...call.begins, call.timeout]) {
    args.push(begin.id, places.of(begin.queue), begin.delayMs, begin.limit, begin.record);
  }
  const [id, known] = (await runner.run(startRunScript, scriptKeys, args)) as [string, string?];
  return { id, known };
}
