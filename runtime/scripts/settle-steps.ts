import type { DueJob, JobMold, ShardKeys, StepBegin, StepEnd } from "../protocol/index.js";
import { Script, type ScriptArgument, type ScriptRunner } from "./script.js";

export const settleStepsScript = new Script("settle-steps");

export interface SettleStepsCall {
  readonly keys: ShardKeys;
  readonly worker: string;
  /** At least one. */
  readonly ends: readonly StepEnd[];
  /** By index: whether the worker could carry on with a job that begins with that end. Default: no. */
  readonly isFree?: (end: number) => boolean;
  /** Whether the worker serves this job. Default: no. */
  readonly serves?: (mold: JobMold) => boolean;
}

/** A job that the worker now holds. */
export interface CarriedJob {
  /** Index of the end with which the job began. */
  readonly end: number;
  /** `undefined` for the decider. */
  readonly begin: StepBegin | undefined;
}

export interface SettledSteps {
  /** Number of jobs that began. */
  readonly begun: number;
  /** When the jobs began (ms). */
  readonly at: number;
  readonly carried: readonly CarriedJob[];
  /** Indexes of the ends with which runs have ended. */
  readonly over: readonly number[];
  /** Slots at the gate were freed, so the next claim lets waiting jobs pass. */
  readonly hasFreed: boolean;
  /** Queues that need a hint, because a job waiting at the gate for one of them may now pass. */
  readonly invited: readonly string[];
}

/** Returns the index of a queue's keys and adds them if they are missing. */
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

/** Numbers the molds of a call, and writes them down as lib/job-template.lua reads them. */
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

interface Plan {
  readonly number: number;
  readonly decider: JobMold;
}

/**
 * Numbers the plans of a call and encodes them as lib/step-ends.lua reads them. The jobs that begin with a step are
 * one list for all its runs.
 */
class Plans {
  readonly args: ScriptArgument[] = [];
  readonly #molds: Molds;
  /**
   * Plans of ends with a free slot, and of the others, by what begins or, if nothing does, by the decider.
   */
  readonly #free = new Map<unknown, Plan>();
  readonly #taken = new Map<unknown, Plan>();
  readonly #serves: (mold: JobMold) => boolean;

  constructor(molds: Molds, serves: (mold: JobMold) => boolean) {
    this.#molds = molds;
    this.#serves = serves;
  }

  of({ begins, decider }: StepEnd, isFree: boolean): number {
    const plans = isFree ? this.#free : this.#taken;
    const key = begins.length > 0 ? begins : decider;
    let plan = plans.get(key);
    if (plan?.decider !== decider) {
      const begun = begins.map(
        ({ mold, need, item }) =>
          ` ${this.#moldText(mold, isFree)}:${need}${item === undefined ? "" : `:${item}`}`,
      );
      this.args.push(`${this.#moldText(decider, isFree)}${begun.join("")}`);
      plan = { number: this.args.length, decider };
      plans.set(key, plan);
    }
    return plan.number;
  }

  #moldText(mold: JobMold, isFree: boolean): string {
    const mayCarry = isFree && isPlain(mold) && this.#serves(mold);
    return mayCarry ? `${this.#molds.of(mold)}+` : String(this.#molds.of(mold));
  }
}

export async function settleSteps(
  runner: ScriptRunner,
  call: SettleStepsCall,
): Promise<SettledSteps | "LOST"> {
  const { keys, worker, ends, isFree = no, serves = no } = call;
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
    keys.paused,
    keys.running,
    keys.ended,
  ];
  const places = new QueuePlaces(keys, scriptKeys);
  const molds = new Molds(places);
  const plans = new Plans(molds, serves);
  const endArgs: ScriptArgument[] = [];
  for (let i = 0; i < ends.length; i++) {
    const end = ends[i]!;
    const { id, run, step, outcome } = end;
    const head = `${id} ${run} ${step === "" ? "-" : step} ${plans.of(end, isFree(i))}`;
    endArgs.push(head, outcome, rareText(end, places));
  }
  const args = [keys.tag, worker, molds.count, ...molds.args, plans.args.length, ...plans.args, ...endArgs];
  const reply = await runner.run(settleStepsScript, scriptKeys, args);
  return reply === "LOST" ? "LOST" : settled(ends, reply as SettleReply);
}

type SettleReply = readonly [
  begun: number,
  at: string,
  carried: string,
  over: string,
  freed: number,
  invited: string,
];

function settled(ends: readonly StepEnd[], reply: SettleReply): SettledSteps {
  const [begun, at, carried, over, freed, invited] = reply;
  return {
    begun,
    hasFreed: freed === 1,
    invited: invited === "" ? [] : invited.split(" "),
    at: Number(at),
    carried: carried === "" ? [] : carried.split(",").map((text) => carriedJob(ends, text)),
    over: over === "" ? [] : over.split(" ").map(Number),
  };
}

function carriedJob(ends: readonly StepEnd[], text: string): CarriedJob {
  const space = text.indexOf(" ");
  const end = Number(text.slice(0, space));
  const begin = Number(text.slice(space + 1));
  return { end, begin: begin === 0 ? undefined : ends[end]?.begins[begin - 1] };
}

const no = (): boolean => false;

/** Whether the job goes straight into its queue: one with a delay or a limit takes the general path. */
export function isPlain({ delayMs, limit }: JobMold): boolean {
  return delayMs === 0 && limit === "";
}

/** The rarely used parts of an end. */
function rareText({ endsJob, state, itemOf, hasten, finale }: StepEnd, places: QueuePlaces): string {
  if (endsJob && state === "" && itemOf === undefined && finale === "") return "";
  const { step = "-", total = 0 } = itemOf ?? {};
  return `${endsJob ? 1 : 0} ${state === "" ? "-" : state} ${step} ${total} ${hastenText(hasten, places)}\n${finale}`;
}

/** As lib/hasten-jobs.lua reads it. */
export function hastenText(jobs: readonly DueJob[], places: QueuePlaces): string {
  return jobs.map(({ id, queue }) => `${places.of(queue)} ${id}`).join(" ");
}
