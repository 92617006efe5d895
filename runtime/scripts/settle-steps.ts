import type { DueJob, JobMold, ShardKeys, StepEnd } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const settleStepsScript = new Script("settle-steps");

export interface SettleStepsCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** At least one. */
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

/** Numbers the molds of a call, and writes them down as lib/mold.lua reads them. */
class Molds {
  readonly args: ScriptArgument[] = [];
  readonly #numbers = new Map<JobMold, number>();
  readonly #places: QueuePlaces;

  constructor(places: QueuePlaces) {
    this.#places = places;
  }

  get count(): number {
    return this.#numbers.size;
  }

  of(mold: JobMold): number {
    let number = this.#numbers.get(mold);
    if (number === undefined) {
      number = this.#numbers.size + 1;
      this.#numbers.set(mold, number);
      const { step, suffix, queue, delayMs, limit, before, after } = mold;
      this.args.push(step, suffix, this.#places.of(queue), delayMs, limit, before, after);
    }
    return number;
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
  const molds = new Molds(places);
  const endArgs: ScriptArgument[] = [];
  for (const end of ends) {
    const { id, run, step, outcome, decider } = end;
    endArgs.push(id, run, step, outcome, molds.of(decider), begunText(end, molds), rareText(end, places));
  }
  const args = [keys.tag, worker, molds.count, ...molds.args, ...endArgs];
  return (await runner.run(settleStepsScript, scriptKeys, args)) as number | "LOST";
}

function begunText({ begins }: StepEnd, molds: Molds): string {
  let text = "";
  for (const { mold, need, item } of begins) {
    text += `${text === "" ? "" : ","}${molds.of(mold)} ${need}${item === undefined ? "" : ` ${item}`}`;
  }
  return text;
}

/** What most ends do not have. */
function rareText({ endsJob, state, itemOf, hasten }: StepEnd, places: QueuePlaces): string {
  if (endsJob && state === "" && itemOf === undefined) return "";
  const { step = "-", total = 0 } = itemOf ?? {};
  return `${endsJob ? 1 : 0} ${state === "" ? "-" : state} ${step} ${total} ${hastenText(hasten, places)}`;
}

/** As lib/hasten.lua reads it. */
export function hastenText(jobs: readonly DueJob[], places: QueuePlaces): string {
  return jobs.map(({ id, queue }) => `${places.of(queue)} ${id}`).join(" ");
}
