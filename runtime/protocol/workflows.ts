/**
 * What the `workflows` hash says of a run. Fields begin with the run's id, which holds no space:
 *
 *   <run>                 [1, workflow, definition hash, started (ms), key field | "", input]    written once
 *   <run> :stamp          when Redis stored it (s.us): tells it from an earlier run of its id; and what retries have made of it (run-life.ts)
 *   <run> :state          absent while it runs; failing | cancelling; or the end, see encodeRunEnd
 *   <run> :open           jobs of the run that have not ended, but for the one of its timeout
 *   <run> :timeout        when its time was over (ms)
 *   <run> :parent         of a run that is a step of another: see encodeRunParent
 *   <run> <step>          how the step ended; of item 3 of a fan-out: <run> <step>.3; of its undoing: <run> <step>~
 *   <run> <step>#         how many of the steps that it needs have ended
 *   <run> <step>*         number of its items;  <run> <step>*#: how many have ended
 *   <run> <step>=         of a step that keeps its end in a retry: how it ended, until it has ended so again
 *   <run> <step>~=        of such a step: the payload of what undoes it, JSON, made of what it was made of
 *   <run> <step>.3*       item 3, unless it stands in the input or the definition
 *   <run> <step>!         events that it has heard of for a step that waits: lines of <event id> <ms> <payload>
 *   <run> <step>?         until when the step waits (ms)
 *   <run> <step>^         of a step that is a run: its how manieth it is, absent: the first
 *   <run> <step>%         of such a step, or an item: its run has ended badly, and is to go on
 *   @<workflow> <hash>    the definition
 *
 * Members of `listeners` are `<event> <field>\n<value>\n<queue of the run's own jobs> <run> <step>`; field and value are JSON. Those of
 * handlers are in waits.ts.
 */
import type { JobRecord, RecordMold } from "./records.js";
import { parseRunLife, type RunLife } from "./run-life.js";

export const RUN_VERSION = 1;

export interface RunRecord {
  readonly workflow: string;
  readonly hash: string;
  readonly startedAt: number;
  /** Field of the `keys` hash that the run owns, `""`: none. */
  readonly key: string;
  readonly input: unknown;
  /** `undefined` while it was never retried, and where its stamp was not asked for. */
  readonly life?: RunLife | undefined;
}

export function encodeRunRecord(run: RunRecord): string {
  return JSON.stringify([RUN_VERSION, run.workflow, run.hash, run.startedAt, run.key, run.input]);
}

export function parseRunRecord(text: string, stamp = ""): RunRecord {
  const [, workflow, hash, startedAt, key, input] = JSON.parse(text) as [
    number,
    string,
    string,
    number,
    string,
    unknown,
  ];
  return { workflow, hash, startedAt, key, input, life: parseRunLife(stamp) };
}

/** How a step ended. */
export type StepStatus = "completed" | "skipped" | "failed" | "cancelled";

export interface StepOutcome {
  readonly status: StepStatus;
  /** Redis time (ms). */
  readonly at: number;
  /** completed: the result. failed: what went wrong, in words. */
  readonly detail: unknown;
  /** When its job was enqueued (ms), of a step that had one. */
  readonly begunAt?: number | undefined;
  /** Attempts of its job, with those that lost their worker. */
  readonly attempts?: number | undefined;
}

const LETTERS: Readonly<Record<StepStatus, string>> = {
  completed: "c",
  skipped: "s",
  failed: "f",
  cancelled: "x",
};
const STATUSES: ReadonlyMap<string, StepStatus> = new Map(
  Object.entries(LETTERS).map(([status, letter]) => [letter, status as StepStatus]),
);

export function encodeStepOutcome({ status, at, detail, begunAt, attempts }: StepOutcome): string {
  const history = begunAt === undefined ? "" : `,${begunAt},${attempts ?? 0}`;
  // What JSON cannot hold (a function, undefined) is null, like the result of a job.
  return `${LETTERS[status]}${at}${history} ${(JSON.stringify(detail) as string | undefined) ?? "null"}`;
}

export function parseStepOutcome(text: string): StepOutcome {
  const space = text.indexOf(" ");
  const [at, begunAt, attempts] = text.slice(1, space).split(",").map(Number);
  const outcome = {
    status: STATUSES.get(text.charAt(0)) ?? "failed",
    at: at ?? Number.NaN,
    detail: JSON.parse(text.slice(space + 1)) as unknown,
  };
  return begunAt === undefined ? outcome : Object.assign(outcome, { begunAt, attempts });
}

export type RunEndState = "completed" | "failed" | "cancelled";

/** `detail`: the output, or why it failed. */
export interface RunEnd {
  readonly state: RunEndState;
  readonly at: number;
  readonly detail: unknown;
}

export function encodeRunEnd({ state, at, detail }: RunEnd): string {
  return `${state} ${at} ${(JSON.stringify(detail) as string | undefined) ?? "null"}`;
}

/** How long a run is kept that completes with the end of a step, and the JSON of its output. */
export function encodeFinale(keepMs: number, output: unknown): string {
  return `${keepMs} ${(JSON.stringify(output) as string | undefined) ?? "null"}`;
}

/** `undefined` while the run has not ended. */
export function parseRunEnd(text: string | null): RunEnd | undefined {
  const match = /^(completed|failed|cancelled) (\d+) ([\s\S]*)$/.exec(text ?? "");
  if (match === null) return undefined;
  const [, state = "", at, detail = "null"] = match;
  return { state: state as RunEndState, at: Number(at), detail: JSON.parse(detail) as unknown };
}

/** The step that a run is. */
export interface RunParent {
  readonly run: string;
  /** When that was started (ms): a later run of its id is another one. */
  readonly startedAt: number;
  /** Where its own jobs wait. */
  readonly queue: string;
  readonly step: string;
  /** Of a fan-out. */
  readonly item: number | undefined;
}

export function encodeRunParent({ run, startedAt, queue, step, item }: RunParent): string {
  return `${run} ${startedAt} ${queue} ${step}${item === undefined ? "" : ` ${item}`}`;
}

export function parseRunParent(text: string | null | undefined): RunParent | undefined {
  if (text === null || text === undefined) return undefined;
  const [run = "", startedAt, queue = "", step = "", item] = text.split(" ");
  return {
    run,
    startedAt: Number(startedAt),
    queue,
    step,
    item: item === undefined ? undefined : Number(item),
  };
}

/** Fields of the `workflows` hash. */
export const runFields = {
  definition: (workflow: string, hash: string): string => `@${workflow} ${hash}`,
  stamp: (run: string): string => `${run} :stamp`,
  state: (run: string): string => `${run} :state`,
  open: (run: string): string => `${run} :open`,
  timeout: (run: string): string => `${run} :timeout`,
  parent: (run: string): string => `${run} :parent`,
  step: (run: string, step: string): string => `${run} ${step}`,
  met: (run: string, step: string): string => `${run} ${step}#`,
  itemsEnded: (run: string, step: string): string => `${run} ${step}*#`,
  items: (run: string, step: string): string => `${run} ${step}*`,
  heard: (run: string, step: string): string => `${run} ${step}!`,
  waitsUntil: (run: string, step: string): string => `${run} ${step}?`,
  /** Of a step that is a run. */
  round: (run: string, step: string): string => `${run} ${step}^`,
  /** Of such a step, or an item of it (`<step>.<index>`). */
  goesOn: (run: string, step: string): string => `${run} ${step}%`,
  /** Of a step that keeps its end in a retry: that; or of its undoing, the payload. */
  kept: (run: string, step: string): string => `${run} ${step}=`,
  item: (run: string, step: string, index: number): string => `${run} ${step}.${index}*`,
} as const;

/** Payloads of the events that a run has heard of for a step, the earliest first. */
export function parseHeard(text: string | undefined): unknown[] {
  const lines = (text ?? "").split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line.slice(line.indexOf(" ", line.indexOf(" ") + 1))) as unknown);
}

/** What the jobs of one step have in common in all runs of a definition. */
export interface JobMold extends RecordMold {
  /** `""`: they decide how the run goes on. */
  readonly step: string;
  /** What stands behind the run in their ids. */
  readonly suffix: string;
  readonly queue: string;
  readonly delayMs: number;
  /** `""`: none. */
  readonly limit: string;
}

/** A job of a run that may begin. */
export interface StepBegin {
  readonly mold: JobMold;
  /** n: with the nth end of what it waits for; 0: while the run goes on; -1: unless the step has been undone. */
  readonly need: number;
  /** Number of the item, of a fan-out. */
  readonly item?: number;
}

/** A job of a run that begins. */
export interface BegunJob {
  readonly id: string;
  readonly queue: string;
  readonly delayMs: number;
  /** `""`: none. */
  readonly limit: string;
  readonly record: string;
}

/** `at`: when it begins (ms). Scripts make the same text, see lib/mold.lua. */
export function begunJob(
  { suffix, queue, delayMs, limit, before, after }: JobMold,
  run: string,
  at: number,
  item?: number,
): BegunJob {
  const [own, place] = item === undefined ? ["", ""] : [`"item":${item},`, `.${item}`];
  const record = `${before}"run":"${run}","at":${Math.round(at)},${own}${after}`;
  return { id: `${run}${suffix}${place}`, queue, delayMs, limit, record };
}

/** The id and the record of such a job, as whoever claims it would read them, with its payload. */
export function begunRecord(
  { suffix, common }: JobMold,
  run: string,
  at: number,
  item: number | undefined,
  payload: unknown,
): { readonly id: string; readonly record: JobRecord } {
  const { version, task, queue, hash, options } = common;
  const id = item === undefined ? `${run}${suffix}` : `${run}${suffix}.${item}`;
  // A spread with more behind it is thirty times as dear: V8 makes another shape of each such object.
  const own = Object.assign(item === undefined ? { run, at } : { run, at, item }, options);
  return { id, record: { version, task, queue, hash, options: own, payload } };
}

/** All that is stored when a run starts. */
export interface RunStart {
  readonly run: string;
  readonly record: string;
  readonly definition: { readonly field: string; readonly text: string };
  readonly begins: readonly BegunJob[];
  /** Ends the run when its time is over; it does not wait for this job. */
  readonly timeout: BegunJob | undefined;
  /** Members of `listeners`: the events that the run hears of. */
  readonly listeners: readonly string[];
}

/** A job that may stand in the due set of its queue. */
export interface DueJob {
  readonly id: string;
  readonly queue: string;
}

/** The end of a step, or of another job of a run. */
export interface StepEnd {
  readonly id: string;
  /** False: another script ends the job. */
  readonly endsJob: boolean;
  readonly run: string;
  /** `""`: the job belongs to no step. */
  readonly step: string;
  readonly outcome: string;
  /** What the run turns to, `""`: it stays. */
  readonly state: string;
  /** With a state: jobs of the run that may wait for a time or at the gate, and need not any more. */
  readonly hasten: readonly DueJob[];
  /** The fan-out of which it is an item. */
  readonly itemOf: { readonly step: string; readonly total: number } | undefined;
  /** Begins when nothing else of the run is under way. */
  readonly decider: JobMold;
  /** Instead of that, where the run goes on: it has completed, and gives this; see `encodeFinale`. `""`: that is to be decided. */
  readonly finale: string;
  readonly begins: readonly StepBegin[];
}
