import type { RunStart, ShardKeys } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";
import { QueuePlaces } from "./settle-steps.js";

export const startRunScript = new Script("start-run");

export interface RunToStart extends RunStart {
  /** Field of the `keys` hash, or `""`. */
  readonly key: string;
  readonly keyTtlMs: number;
}

export interface StartRunsCall {
  readonly keys: ShardKeys;
  readonly starts: readonly RunToStart[];
}

/** The run that is stored after the call. */
export interface StartedRun {
  readonly id: string;
  /** Its record, if this call did not store it; `""` if only its key is still stored. */
  readonly known: string | undefined;
}

/** The replies are in the order of the starts. */
export async function startRuns(runner: ScriptRunner, call: StartRunsCall): Promise<readonly StartedRun[]> {
  const { keys, starts } = call;
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
  const definitions = new Map(starts.map(({ definition: { field, text } }) => [field, text]));
  const numbers = new Map([...definitions.keys()].map((field, index) => [field, index + 1]));
  const args: ScriptArgument[] = [definitions.size, ...[...definitions].flat()];
  for (const start of starts) {
    const { run, record, definition, key, keyTtlMs } = start;
    args.push(run, record, numbers.get(definition.field) ?? 0, key, keyTtlMs);
    args.push(...begunArguments(start, places));
  }
  const reply = (await runner.run(startRunScript, scriptKeys, args)) as (string | null)[];
  return starts.map(({ run }, i) => ({ id: reply[2 * i] ?? run, known: reply[2 * i + 1] ?? undefined }));
}

/** What a run begins with, as lib/launch-run.lua reads it; its queues get their places behind the other keys. */
export function begunArguments(
  { begins, timeout, listeners }: RunStart,
  places: QueuePlaces,
): ScriptArgument[] {
  const jobs = timeout === undefined ? begins : [...begins, timeout];
  const args: ScriptArgument[] = [begins.length, listeners.length, ...listeners, jobs.length];
  for (const { id, queue, delayMs, limit, record } of jobs) {
    args.push(id, places.of(queue), delayMs, limit, record);
  }
  return args;
}
