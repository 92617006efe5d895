/**
 * The two texts that Redis stores for a job. Both are JSON arrays: compact, readable from any language, and
 * simple enough for Lua to find the leading fields with a pattern. docs/protocol.md describes them field by
 * field.
 *
 *   record  [1, task, queue, definition hash, options | 0, payload]      written once
 *   run     [attempts, crashes, state, detail, events]                  what has happened since
 */
import type { FinalState } from "./states.js";

export const RECORD_VERSION = 1;

/** Replaces the record of a deleted job while its id is still in a pending list. */
export const TOMBSTONE = "[0]";

/** Only what differs from the definition, so that most records contain a plain 0. */
export interface RecordOptions {
  /** When the job was made (ms), for ids that do not contain the time. */
  at?: number;
  maxRetries?: number;
  timeoutMs?: number;
  /** The first attempt must start within this time after `at` (ms); a delay counts towards it. */
  startWithinMs?: number;
  /** The job may start until this time in any case (ms); set for jobs with an explicit start time. */
  startBy?: number;
  /** How long after `at` the job could start (ms). */
  delayMs?: number;
  /** When the job could start (ms), for jobs with an explicit start time. */
  dueAt?: number;
  /**
   * 1: the job was to start later, but the record does not say when, because its id may be enqueued again
   * with another time.
   */
  later?: 1;
  keepCompletedMs?: number;
  keepDeadMs?: number;
  /** Field of the `keys` hash that this job owns, or has owned. */
  key?: string;
  /** The group whose limit applies to this job. */
  group?: string;
  /** The mode of `key` when it is a dedupe key. */
  dedupe?: "unfinished" | "waiting" | "replace" | "debounce";
  /** 1: this record is from a newer enqueue with the dedupe key than the one that gave the job its id. */
  replaced?: 1;
  /** 1: the key stays taken when the job ends dead or cancelled. */
  hold?: 1;
  /** The workflow run that the job belongs to; its payload is computed when it is claimed. */
  run?: string;
  /** Name and hash of the workflow's definition. */
  workflow?: string;
  /** The step of the run; a job of a run without a step decides how the run goes on. */
  step?: string;
  /** Index of the item, for a step with `forEach`. */
  item?: number;
  /** 1: the job undoes (compensates) the step. */
  undo?: 1;
}

export interface JobRecord {
  readonly version: number;
  readonly task: string;
  readonly queue: string;
  readonly hash: string;
  readonly options: RecordOptions;
  readonly payload: unknown;
}

export type RecordArray = [
  version: number,
  task: string,
  queue: string,
  hash: string,
  options: RecordOptions | 0,
  payload: unknown,
];

/**
 * The part of a record before the payload. Names and hashes have a safe alphabet, so they need no escaping.
 */
export function recordHead(
  task: string,
  queue: string,
  hash: string,
  options: RecordOptions | undefined,
): string {
  return `[${RECORD_VERSION},"${task}","${queue}","${hash}",${options === undefined ? "0" : JSON.stringify(options)},`;
}

/**
 * Placeholder that the script replaces with the time at which it stores the record. JSON text cannot contain
 * this character.
 */
const TIME_MARK = "\u0001";

/**
 * A record head whose `at` the script fills in from Redis time: clocks of producers differ from it by
 * minutes, and jobs may wait long in a client while Redis is unreachable.
 */
export function datedHead(
  task: string,
  queue: string,
  hash: string,
  options: Omit<RecordOptions, "at">,
): string {
  return recordHead(task, queue, hash, { at: 0, ...options }).replace('{"at":0', `{"at":${TIME_MARK}`);
}

/**
 * A template for records without a payload that differ only in some options; these options are inserted
 * between the two parts, each followed by a comma.
 */
export interface RecordMold {
  readonly before: string;
  readonly after: string;
  /** The fields that all records of the template share, decoded. */
  readonly common: JobRecord;
}

/** @param options those that all records of the template share; at least one. */
export function recordMold(task: string, queue: string, hash: string, options: RecordOptions): RecordMold {
  return {
    before: `[${RECORD_VERSION},"${task}","${queue}","${hash}",{`,
    after: `${JSON.stringify(options).slice(1)},null]`,
    common: { version: RECORD_VERSION, task, queue, hash, options, payload: null },
  };
}

const NO_OPTIONS: RecordOptions = Object.freeze({});

/** The fields of a parsed record; `undefined` for a tombstone. */
export function decodeRecord(record: RecordArray): JobRecord | undefined {
  if (record[0] === 0) return undefined;
  return {
    version: record[0],
    task: record[1],
    queue: record[2],
    hash: record[3],
    options: withSoundRetention(record[4] || NO_OPTIONS),
    payload: record[5],
  };
}

/**
 * A foreign producer may have written anything. An invalid retention is dropped: scripts would refuse it, and
 * the job could never end.
 */
function withSoundRetention(options: RecordOptions): RecordOptions {
  if (isTime(options.keepCompletedMs) && isTime(options.keepDeadMs)) return options;
  const { keepCompletedMs, keepDeadMs, ...rest } = options;
  return {
    ...rest,
    ...(keepCompletedMs !== undefined && isTime(keepCompletedMs) ? { keepCompletedMs } : {}),
    ...(keepDeadMs !== undefined && isTime(keepDeadMs) ? { keepDeadMs } : {}),
  };
}

function isTime(ms: number | undefined): boolean {
  return ms === undefined || (typeof ms === "number" && ms >= 0 && ms <= Number.MAX_SAFE_INTEGER);
}

/** Also works on a record whose time is not filled in yet. */
export function taskOfRecord(text: string): string {
  return /^\[\d+,"([^"]*)"/.exec(text)?.[1] ?? "";
}

/** The queue, without parsing the rest; `undefined` for a text that is not a record. */
export function queueOfRecord(text: string | null | undefined): string | undefined {
  return /^\[\d+,"[^"]*","([^"]*)"/.exec(text ?? "")?.[1];
}

export function parseRecord(text: string): JobRecord | undefined {
  return decodeRecord(JSON.parse(text) as RecordArray);
}

/** Like `parseRecord`, for a text that may be anything: "unreadable" when it is not a record. */
export function readRecord(text: string): JobRecord | "unreadable" | undefined {
  let array: unknown;
  try {
    array = JSON.parse(text);
  } catch {
    return "unreadable";
  }
  if (!Array.isArray(array)) return "unreadable";
  const [version, task, queue, , options] = array as unknown[];
  if (version === 0) return undefined;
  const isRecord =
    typeof version === "number" &&
    typeof task === "string" &&
    typeof queue === "string" &&
    typeof (options ?? 0) === (options === 0 ? "number" : "object");
  return isRecord ? decodeRecord(array as RecordArray) : "unreadable";
}

/** One entry in the history of a job. */
export type RunEvent =
  | readonly [at: number, kind: "failed", attempt: number, error: string, message: string, stack: string]
  | readonly [at: number, kind: "completed", worker: string, durationMs: number]
  | readonly [at: number, kind: "crashed", worker: string]
  | readonly [at: number, kind: "alone", worker: string]
  | readonly [at: number, kind: "slept", wakeAt: number]
  | readonly [at: number, kind: "waited", wakeAt: number]
  | readonly [at: number, kind: "handed-back", worker: string]
  | readonly [at: number, kind: "cancelled", call?: string]
  | readonly [at: number, kind: "retried", call?: string];

export interface JobRun {
  /** Attempts that have ended and count against `maxRetries`. */
  readonly attempts: number;
  /** Attempts that ended with the loss of their worker. */
  readonly crashes: number;
  /** Binding when final. Otherwise the key that contains the id determines the state. */
  readonly state: FinalState | "retry" | "pending";
  /** completed: the result. cancelled: 1 while the id is still in a pending list. */
  readonly detail: unknown;
  readonly events: readonly RunEvent[];
}

export const NEW_RUN: JobRun = Object.freeze({
  attempts: 0,
  crashes: 0,
  state: "pending",
  detail: null,
  events: [],
});

export function parseRun(text: string | null): JobRun {
  if (text === null) return NEW_RUN;
  const [attempts, crashes, state, detail, events] = JSON.parse(text) as [
    number,
    number,
    JobRun["state"],
    unknown,
    RunEvent[],
  ];
  return { attempts, crashes, state, detail, events };
}

export function encodeRun(run: JobRun): string {
  return JSON.stringify([run.attempts, run.crashes, run.state, run.detail ?? null, run.events]);
}

/**
 * The steps of a job, from one line of JSON each: `["charge",{"id":"ch_1"}]`, or `["send"]` for a step
 * without a result. JSON contains no line break, so scripts can find a step by its line without decoding
 * results.
 */
export function parseSteps(text: string | null): Map<string, unknown> {
  if (text === null) return new Map();
  const lines = JSON.parse(`[${text.replaceAll("\n", ",")}]`) as [name: string, result?: unknown][];
  return new Map(lines.map(([name, result]) => [name, result]));
}

/** Events kept in a run; the oldest are dropped. Bounds the memory of a job that fails for a year. */
const MAX_RUN_EVENTS = 30;

/**
 * The last retry by hand stays among the events that are kept: a follow-up of the death after it needs
 * another id than that of the death before it.
 */
export function withEvent(events: readonly RunEvent[], event: RunEvent): readonly RunEvent[] {
  if (events.length < MAX_RUN_EVENTS) return [...events, event];
  const kept = events.slice(-(MAX_RUN_EVENTS - 1));
  const retried = events.findLast(([, kind]) => kind === "retried");
  return retried === undefined || kept.includes(retried)
    ? [...kept, event]
    : [retried, ...kept.slice(1), event];
}

/**
 * The events with `event` in place of the last one, and later than that one: two clocks may show the same
 * millisecond, and `fail.lua` takes a run that is stored already for a call that was sent again.
 */
export function withEventInstead(events: readonly RunEvent[], event: RunEvent): readonly RunEvent[] {
  const [at, ...rest] = event;
  const later = Math.max(at, (events.at(-1)?.[0] ?? 0) + 1);
  return [...events.slice(0, -1), [later, ...rest] as unknown as RunEvent];
}
