/** All that a shard says about one id, read at one moment, and what the two texts of a job say when they can be read at all. */
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
  /** When this was read, by the clock of Redis (ms). */
  readonly nowMs: number;
  readonly record: RecordFacts;
  readonly run: RunFacts;
  /** The worker in `active`. */
  readonly owner: string | undefined;
  /** False for an owner whose lease has ended, or who has none: its jobs are taken back. */
  readonly ownerLives: boolean;
  /** Times of removal. */
  readonly done: number | undefined;
  readonly dead: number | undefined;
  /** Queue -> due time, of the queues in whose due set the id stands. */
  readonly due: ReadonlyMap<string, number>;
  /** Queue -> how often the id stands in its pending list; never 0. */
  readonly pending: ReadonlyMap<string, number>;
  /** The shard to which the id leads, where that is another than the one in which it stands. */
  readonly leadsElsewhere?: number | undefined;
  /** What the gate knows of it, `<number> <queue> <group>`. */
  readonly entry: string | undefined;
  /** It waits at the gate where this entry says. */
  readonly atGate: boolean;
  /** Other members of `waiting` that name it. */
  readonly strays: readonly string[];
  readonly cancelAsked: boolean;
  readonly awaited: boolean;
  readonly notes: "none" | "readable" | "unreadable";
  /** It has a log, which goes with its record. */
  readonly logged: boolean;
  /** An item of a workflow run that is stored: what it has noted counts when the run is retried, and goes with the run. */
  readonly ofRun: boolean;
  /** Idempotency keys whose owner it is. */
  readonly keys: readonly KeyFacts[];
}

export interface KeyFacts {
  readonly field: string;
  /** False: nothing would ever free the key. */
  readonly ends: boolean;
}

export type RecordFacts =
  | { readonly kind: "none" }
  | { readonly kind: "tombstone" }
  | { readonly kind: "unreadable"; readonly bytes: number }
  /** Of a version, or with an option, that the rules do not know: it is left alone. */
  | { readonly kind: "newer" }
  | { readonly kind: "job"; readonly task: string; readonly queue: string; readonly options: RecordOptions };

export interface RunFacts {
  /** As it is stored, to see whether it has changed since; `undefined` where there is none. */
  readonly text: string | undefined;
  readonly state: JobRun["state"] | "unreadable";
  /** A cancelled job whose id is said to stand in a pending list still. */
  readonly hole: boolean;
}

const STATES: readonly string[] = ["pending", "retry", "completed", "dead", "cancelled"];

/** A field that is there while the run is of which the job is an item of a step; of other jobs none that is ever there. */
export function fieldOfItsRun(id: string): string {
  const [, run] = /^(.+)\.[a-z][a-z0-9_]*\.\d+$/.exec(id) ?? [];
  return run === undefined ? "" : runFields.stamp(run);
}

/**
 * Options of which the rules know what they mean for the place of a job. One that may put it into an index that they do not read
 * is false until they do: a job that seems to be nowhere would be put where it must not be.
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

/** The job has ended, or there is none. */
export function isOver({ record, run }: JobFacts): boolean {
  if (record.kind === "none" || record.kind === "tombstone") return true;
  return run.state !== "unreadable" && run.state !== "pending" && run.state !== "retry" && isFinal(run.state);
}

/** The field of the definition that the record of a workflow run names; `undefined` where it is none. */
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

/** `undefined` where it is a text by which no run could go on. */
export function definitionFacts(text: string | null | undefined): WorkflowDefinition | undefined {
  return readable(() => {
    const definition = JSON.parse(text ?? "null") as WorkflowDefinition;
    const isOne = Number.isFinite(definition.keepMs) && definition.steps.every(({ name }) => name !== "");
    return isOne ? definition : undefined;
  });
}

/** A workflow run has, by its state. Of a text that is none, false. */
export function hasEnded(state: string | null | undefined): boolean {
  return readable(() => parseRunEnd(state ?? null)) !== undefined;
}

/** Texts that cannot be read are a finding, not a failure of the look. */
export function readable<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    // Other shapes than an array fail with a TypeError, names of waits that are none with a URIError.
    if (error instanceof SyntaxError || error instanceof TypeError || error instanceof URIError)
      return undefined;
    throw error;
  }
}
