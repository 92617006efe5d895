/**
 * Everything that a shard stores about one id, read at one moment, and the parsed record and history of the
 * job.
 */
import type { WorkflowDefinition } from "../../definition/index.js";
import {
  isFinal,
  parseRecord,
  parseRun,
  parseRunEnd,
  parseRunRecord,
  parseSteps,
  parseWaits,
  runFields,
  RECORD_VERSION,
  TOMBSTONE,
  type JobRecord,
  type JobRun,
  type RecordOptions,
} from "../../protocol/index.js";

export interface JobFacts {
  readonly id: string;
  /** When the facts were read, by the clock of Redis (ms). */
  readonly nowMs: number;
  readonly record: RecordFacts;
  readonly run: RunFacts;
  /** The worker in `active`. */
  readonly owner: string | undefined;
  /** False for an owner whose lease has expired or is missing: its jobs are taken back. */
  readonly ownerLives: boolean;
  /** Time of removal in `done`. */
  readonly done: number | undefined;
  readonly dead: number | undefined;
  /** Queue -> due time, for each queue whose due set contains the id. */
  readonly due: ReadonlyMap<string, number>;
  /** Queue -> number of occurrences in its pending list; never 0. */
  readonly pending: ReadonlyMap<string, number>;
  /** The shard that the id leads to, if it is not the one that contains it. */
  readonly leadsElsewhere?: number | undefined;
  /** The job's entry at the gate: `<number> <queue> <group>`. */
  readonly entry: string | undefined;
  /** Whether the job waits at the gate as this entry says. */
  readonly atGate: boolean;
  /** Other members of `waiting` that name the id. */
  readonly strays: readonly string[];
  readonly cancelAsked: boolean;
  readonly awaited: boolean;
  readonly notes: "none" | "readable" | "unreadable";
  /** Whether the job has a log, which lives as long as its record. */
  readonly logged: boolean;
  /**
   * Whether the job is an item of a stored workflow run: its notes are needed for a retry of the run, and are
   * removed with it.
   */
  readonly ofRun: boolean;
  /** Whether the job is a step of a run that does not go on, or is gone; false if it has an entry at the gate. */
  readonly ofHaltedRun: boolean;
  /** Idempotency keys that the job owns. */
  readonly keys: readonly KeyFacts[];
}

export interface KeyFacts {
  readonly field: string;
  /** False if nothing would ever free the key. */
  readonly ends: boolean;
}

export type RecordFacts =
  | { readonly kind: "none" }
  | { readonly kind: "tombstone" }
  | { readonly kind: "unreadable"; readonly bytes: number }
  /** A record of a version, or with an option, that the rules do not know: it is left alone. */
  | { readonly kind: "newer" }
  | { readonly kind: "job"; readonly task: string; readonly queue: string; readonly options: RecordOptions };

export interface RunFacts {
  /** The stored text, to detect changes; `undefined` if there is none. */
  readonly text: string | undefined;
  readonly state: JobRun["state"] | "unreadable";
  /** A cancelled job whose id, by its history, is still in a pending list. */
  readonly hole: boolean;
}

const STATES: readonly string[] = ["pending", "retry", "completed", "dead", "cancelled"];

/**
 * A field that exists as long as the run of which the job is an item; for other jobs a field that never
 * exists.
 */
export function fieldOfItsRun(id: string): string {
  const [, run] = /^(.+)\.[a-z][a-z0-9_]*\.\d+$/.exec(id) ?? [];
  return run === undefined ? "" : runFields.stamp(run);
}

/**
 * Whether the rules know what an option means for the place of a job. An option that may put a job into an
 * index that the rules do not read must be false: the job would seem to be in no index and would be put into
 * a wrong one.
 */
const UNDERSTOOD: Readonly<Record<keyof RecordOptions, boolean>> = {
  at: true,
  dedupe: true,
  delayMs: true,
  dueAt: true,
  group: true,
  item: true,
  run: true,
  step: true,
  undo: true,
  workflow: true,
  hold: true,
  keepCompletedMs: true,
  keepDeadMs: true,
  key: true,
  later: true,
  maxRetries: true,
  replaced: true,
  startBy: true,
  startWithinMs: true,
  timeoutMs: true,
};

export function recordFacts(text: string | null | undefined): RecordFacts {
  if (text === null || text === undefined) return { kind: "none" };
  if (text === TOMBSTONE) return { kind: "tombstone" };
  const record = readable(() => parseRecord(text));
  if (typeof record?.version === "number" && record.version > RECORD_VERSION) return { kind: "newer" };
  if (record === undefined || !isRecord(record))
    return { kind: "unreadable", bytes: Buffer.byteLength(text) };
  if (!Object.keys(record.options).every(isUnderstood)) return { kind: "newer" };
  return { kind: "job", task: record.task, queue: record.queue, options: record.options };
}

function isUnderstood(option: string): boolean {
  return Object.hasOwn(UNDERSTOOD, option) && UNDERSTOOD[option as keyof RecordOptions];
}

function isRecord({ version, task, queue, options }: JobRecord): boolean {
  const names = typeof task === "string" && typeof queue === "string" && queue !== "";
  return version === RECORD_VERSION && names && typeof options === "object" && options !== null;
}

export function runFacts(text: string | null | undefined): RunFacts {
  const run = readable(() => parseRun(text ?? null));
  const known =
    run !== undefined &&
    Number.isInteger(run.attempts) &&
    Number.isInteger(run.crashes) &&
    STATES.includes(run.state) &&
    Array.isArray(run.events);
  return {
    text: text ?? undefined,
    state: known ? run.state : "unreadable",
    hole: known && run.state === "cancelled" && run.detail === 1,
  };
}

export function notesFacts(
  steps: string | null | undefined,
  progress: string | null | undefined,
  waits: string | null | undefined,
): JobFacts["notes"] {
  const texts = [steps, progress, waits].filter((text) => typeof text === "string");
  if (texts.length === 0) return "none";
  const read = (): boolean =>
    parseSteps(steps ?? null).size >= 0 &&
    JSON.parse(progress ?? "0") !== undefined &&
    parseWaits(waits).heard.length >= 0;
  return readable(read) === undefined ? "unreadable" : "readable";
}

/** Whether the job has ended or does not exist. */
export function isOver({ record, run }: JobFacts): boolean {
  if (record.kind === "none" || record.kind === "tombstone") return true;
  return run.state !== "unreadable" && run.state !== "pending" && run.state !== "retry" && isFinal(run.state);
}

/** The field of the definition that a run's record names; `undefined` if the record cannot be read. */
export function definitionOf(record: string): string | undefined {
  const run = readable(() => parseRunRecord(record));
  const { workflow, hash, startedAt, key } = run ?? {};
  const isRecord = typeof workflow === "string" && typeof startedAt === "number" && typeof key === "string";
  return isRecord ? `@${workflow} ${hash}` : undefined;
}

/** When the run of a record began (ms). */
export function startOf(record: string | null | undefined): number | undefined {
  return readable(() => parseRunRecord(record ?? "null").startedAt);
}

/** `undefined` if the text is not a definition that a run could continue with. */
export function definitionFacts(text: string | null | undefined): WorkflowDefinition | undefined {
  return readable(() => {
    const definition = JSON.parse(text ?? "null") as WorkflowDefinition;
    const isOne = Number.isFinite(definition.keepMs) && definition.steps.every(({ name }) => name !== "");
    return isOne ? definition : undefined;
  });
}

/** Whether a workflow run in this state has ended. False for an unreadable state. */
export function hasEnded(state: string | null | undefined): boolean {
  return readable(() => parseRunEnd(state ?? null)) !== undefined;
}

/** Returns `undefined` for an unreadable text: that is a finding, not a failure of the audit. */
export function readable<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    // A value that is not an array fails with a TypeError, a malformed wait name with a URIError.
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof URIError)
      return undefined;
    throw error;
  }
}
