import type { ShardKeys, StepEnd } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const settleStepsScript = new Script("settle-steps");

export interface SettleStepsCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  readonly ends: readonly StepEnd[];
}

/** Gives the place of a queue's keys, and adds them when they are not there yet. */
export class QueuePlaces {
  readonly #places = new Map<string, number>();
  readonly #keys: ShardKeys;
  readonly #scriptKeys: string[];

  constructor(keys: ShardKeys, scriptKeys: string[]) {
    this.#keys = keys;
    this.#scriptKeys = scriptKeys;
  }

  of(queue: string): number {
    let place = this.#places.get(queue);
    if (place === undefined) {
      place = this.#places.size;
      this.#places.set(queue, place);
      const { pending, due, wake } = this.#keys.queue(queue);
      this.#scriptKeys.push(pending, due, wake);
    }
    return place;
  }
}

/** The number of jobs that began. */
export async function settleSteps(runner: ScriptRunner, call: SettleStepsCall): Promise<number | "LOST"> {
  const { keys, worker, ends } = call;
  const scriptKeys = [
    keys.jobs,
    keys.runs,
    keys.active,
    keys.leases,
    keys.workflows,
    keys.waits,
    keys.cancels,
    keys.notes,
    keys.limited,
    keys.groups,
    keys.waiting,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const args: ScriptArgument[] = [keys.tag, worker, ends.length];
  for (const { id, endsJob } of ends) args.push(id, endsJob ? 1 : 0);
  for (const { run, step, outcome, state, hasten, itemOf, decider, begins } of ends) {
    args.push(run, step, outcome, state, itemOf?.step ?? "", itemOf?.total ?? 0);
    args.push(places.of(decider.queue), decider.record, hasten.join(" "), begins.length);
    for (const begin of begins) {
      args.push(begin.step, begin.need, begin.id, places.of(begin.queue));
      args.push(begin.delayMs, begin.limit, begin.record);
    }
  }
  return (await runner.run(settleStepsScript, scriptKeys, args)) as number | "LOST";
}
