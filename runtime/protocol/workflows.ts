/**
 * What the `workflows` hash contains about a run. Fields start with the id of the run, which contains no
 * space:
 *
 *   <run>                 [1, workflow, definition hash, started (ms), key field | "", input]    written once
 *   <run> :stamp          when Redis stored it (s.us), to tell it from an earlier run with its id;
 *                         and what retries have changed (run-life.ts)
 *   <run> :state          absent while it runs; failing | cancelling; or the end, see encodeRunEnd
 *   <run> :open           jobs of the run that have not ended, without the one of its timeout
 *   <run> :timeout        when it timed out (ms)
 *   <run> :parent         for a run that is a step of another: see encodeRunParent
 *   <run> <step>          how the step ended; <run> <step>.3: item 3 of a fan-out;
 *                         <run> <step>~: its compensation
 *   <run> <step>#         how many of the steps that it needs have ended
 *   <run> <step>*         number of its items;  <run> <step>*#: how many have ended
 *   <run> <step>=         for a step that keeps its outcome in a retry: that outcome, until it is passed on
 *   <run> <step>~=        for such a step: the payload of its compensation (JSON), computed from the
 *                         earlier results
 *   <run> <step>.3*       item 3, unless it is in the input or the definition
 *   <run> <step>!         events received for a step that waits: lines of <event id> <ms> <payload>
 *   <run> <step>?         until when the step waits (ms)
 *   <run> <step>^         for a step that is a run: which run of the step this is; absent: the first
 *   <run> <step>%         for such a step, or an item: its run failed or was cancelled, and is to be retried
 *   @<workflow> <hash>    the definition
 *
 * Members of `listeners` are `<event> <field>\n<value>\n<queue of the run's own jobs> <run> <step>`; field
 * and value are JSON. The members of handlers are described in waits.ts.
 */
import type { JobRecord, RecordMold } from "./records.js";
import { parseRunLife, type RunLife } from "./run-life.js";

const RUN_VERSION = 1;

export interface RunRecord {
  readonly workflow: string;
  readonly hash: string;
  readonly startedAt: number;
  /** Field of the `keys` hash that the run owns; `""`: none. */
  readonly key: string;
  readonly input: unknown;
  /** `undefined` when the run was never retried, and when its stamp was not read. */
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
  /** completed: the result. failed: the reason as text. */
  readonly detail: unknown;
  /** When the job of the step was enqueued (ms), if the step had one. */
  readonly begunAt?: number | undefined;
  /** Attempts of the job, including those that lost their worker. */
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
  // A value that JSON cannot represent (a function, undefined) becomes null, like the result of a job.
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

/** `detail`: the output, or the reason of the failure. */
export interface RunEnd {
  readonly state: RunEndState;
  readonly at: number;
  readonly detail: unknown;
}

export function encodeRunEnd({ state, at, detail }: RunEnd): string {
  return `${state} ${at} ${(JSON.stringify(detail) as string | undefined) ?? "null"}`;
}

/** The retention and the JSON output of a run that completes with the end of this step. */
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

/** The parent step of a run. */
export interface RunParent {
  readonly run: string;
  /** When the parent run was started (ms), to tell it from a later run with the same id. */
  readonly startedAt: number;
  /** The queue of the parent run's own jobs. */
  readonly queue: string;
  readonly step: string;
  /** Index of the item, in a fan-out. */
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
  /** For a step that is a run. */
  round: (run: string, step: string): string => `${run} ${step}^`,
  /** For a step that is a run, or an item of it (`<step>.<index>`). */
  goesOn: (run: string, step: string): string => `${run} ${step}%`,
  /** For a step that keeps its outcome in a retry: the outcome, or the payload of its compensation. */
  kept: (run: string, step: string): string => `${run} ${step}=`,
  item: (run: string, step: string, index: number): string => `${run} ${step}.${index}*`,
} as const;

/**
 * Payloads of the events that a run has received for a step, the earliest first, without those that were found
 * not to match.
 */
export function parseHeard(text: string | undefined): unknown[] {
  const lines = (text ?? "").split("\n").filter((line) => line !== "" && !/^\S+ \d+ null$/.test(line));
  return lines.map((line) => JSON.parse(line.slice(line.indexOf(" ", line.indexOf(" ") + 1))) as unknown);
}

/** What the jobs of one step have in common in all runs of a definition. */
export interface JobMold extends RecordMold {
  /** `""`: these jobs decide how the run goes on. */
  readonly step: string;
  /** What follows the run in their ids. */
  readonly suffix: string;
  readonly queue: string;
  readonly delayMs: number;
  /** `""`: none. */
  readonly limit: string;
}

/** A job of a run that may start. */
export interface StepBegin {
  readonly mold: JobMold;
  /**
   * n: starts with the nth end of the steps that it needs; 0: while the run goes on; -1: unless the step has
   * been undone.
   */
  readonly need: number;
  /** Index of the item, in a fan-out. */
  readonly item?: number;
}

/** A job of a run that starts now. */
export interface BegunJob {
  readonly id: string;
  readonly queue: string;
  readonly delayMs: number;
  /** `""`: none. */
  readonly limit: string;
  readonly record: string;
}

/** @param at when the job starts (ms). Scripts build the same text, see lib/job-template.lua. */
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

/**
 * The id and the decoded record of such a job with its payload, as they would be read when the job is
 * claimed.
 */
export function begunRecord(
  { suffix, common }: JobMold,
  run: string,
  at: number,
  item: number | undefined,
  payload: unknown,
): { readonly id: string; readonly record: JobRecord } {
  const { version, task, queue, hash, options } = common;
  const id = item === undefined ? `${run}${suffix}` : `${run}${suffix}.${item}`;
  // A spread followed by more properties is thirty times as slow, because V8 makes a new shape for each such
  // object.
  const own = Object.assign(item === undefined ? { run, at } : { run, at, item }, options);
  return { id, record: { version, task, queue, hash, options: own, payload } };
}

/** Everything that is stored when a run starts. */
export interface RunStart {
  readonly run: string;
  readonly record: string;
  readonly definition: { readonly field: string; readonly text: string };
  readonly begins: readonly BegunJob[];
  /** The job that ends the run at its timeout; the run does not wait for this job. */
  readonly timeout: BegunJob | undefined;
  /** Members of `listeners`: the events that the run listens for. */
  readonly listeners: readonly string[];
}

/** A job that may be in the due set of its queue. */
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
  /** The new state of the run; `""`: it does not change. */
  readonly state: string;
  /**
   * With a new state: jobs of the run that may be waiting for a due time or at the gate, and must not wait
   * any longer.
   */
  readonly hasten: readonly DueJob[];
  /** The fan-out that the step is an item of. */
  readonly itemOf: { readonly step: string; readonly total: number } | undefined;
  /** Starts when nothing else of the run is under way. */
  readonly decider: JobMold;
  /**
   * If the run completes with this end, its output (see `encodeFinale`), which makes the decider unnecessary.
   * `""`: unknown, so the decider must run.
   */
  readonly finale: string;
  readonly begins: readonly StepBegin[];
}
