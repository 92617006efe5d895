/** Everything about one job. */
import { jobUnknown } from "../cancel.js";
import { HIDDEN, valueWithoutSecrets, withoutSecrets } from "../definition/index.js";
import {
  isOwnMessage,
  logField,
  parseJobLog,
  parseSteps,
  parseWaits,
  progressField,
  waitsField,
  type JobLog,
  type JobState,
  type RecordOptions,
  type RunEvent,
} from "../protocol/index.js";
import { readWait } from "./gate-wait.js";
import { bothSecrets, heardSecrets, type HeardSecrets } from "./heard.js";
import { redactJob } from "./redact.js";
import { readRunSecrets, secretsOfRun } from "./run-secrets.js";
import { stateOf, summarize, type ShardReader, type StoredJob, type SummaryTimes } from "./shard-reader.js";
import type { JobDetails, JobEvent, JobStep, JobSummary, JobWait, Redactor } from "./types.js";

/** @throws TaskweftError `JobNotFound`. */
export async function readStoredJob(reader: ShardReader, id: string, operation: string): Promise<StoredJob> {
  const [job] = await reader.jobs([id]);
  if (job !== undefined) return job;
  throw jobUnknown(id, operation);
}

/** @throws TaskweftError `JobNotFound`. */
export async function showJob(
  reader: ShardReader,
  id: string,
  redactor: Redactor | undefined,
): Promise<JobDetails> {
  const job = await readStoredJob(reader, id, "showJob");
  const { keys } = reader;
  const due = await reader.read((redis) => redis.zscore(keys.queue(job.record.queue).due, id));
  const state = stateOf(job, due !== null);
  const [times, leaseEndsAt, notes, waitsFor] = await Promise.all([
    readTimes(reader, id, state, due),
    readLease(reader, job, state),
    readNotes(reader, job, redactor),
    readWait(reader, id, job.record, state),
  ]);
  const summary = summarize(job, state, times);
  const details = describe(job, summary, { ...notes, leaseEndsAt }, redactor);
  return waitsFor === undefined ? details : { ...details, waitsFor };
}

async function readTimes(
  reader: ShardReader,
  id: string,
  state: JobState,
  due: string | null,
): Promise<SummaryTimes> {
  if (state === "scheduled" || state === "retry") return { dueAt: Number(due) };
  if (state !== "completed" && state !== "dead" && state !== "cancelled") return {};
  const { dead, done } = reader.keys;
  const score = await reader.read((redis) => redis.zscore(state === "dead" ? dead : done, id));
  return score === null ? {} : { removedAt: Number(score) };
}

async function readLease(reader: ShardReader, job: StoredJob, state: JobState): Promise<number | undefined> {
  const { worker } = job;
  if (state !== "active" || worker === undefined) return undefined;
  const score = await reader.read((redis) => redis.zscore(reader.keys.leases, worker));
  return score === null ? undefined : Number(score);
}

/** What the handler has noted. */
interface Notes {
  readonly steps: ReadonlyMap<string, unknown>;
  readonly progress: unknown;
  readonly log: JobLog | undefined;
  readonly listensTo: readonly JobWait[];
  /** Sensitive values of received events and of the job's run. */
  readonly others: HeardSecrets;
}

async function readNotes(
  reader: ShardReader,
  job: StoredJob,
  redactor: Redactor | undefined,
): Promise<Notes> {
  const { id, record } = job;
  const ofRun = await readRunSecrets(reader, [job], redactor);
  const [steps, progress, log, waits] = await reader.read((redis) =>
    redis.hmget(reader.keys.notes, id, progressField(id), logField(id), waitsField(id)),
  );
  const done = parseSteps(steps ?? null);
  return {
    steps: done,
    listensTo: parseWaits(waits).listening,
    others: bothSecrets(heardSecrets(waits, done, redactor), secretsOfRun(ofRun, record)),
    progress: typeof progress === "string" ? (JSON.parse(progress) as unknown) : undefined,
    log: typeof log === "string" ? parseJobLog(log) : undefined,
  };
}

function describe(
  job: StoredJob,
  summary: JobSummary,
  {
    steps,
    progress,
    log,
    listensTo,
    others,
    leaseEndsAt,
  }: Notes & { readonly leaseEndsAt: number | undefined },
  redactor: Redactor | undefined,
): JobDetails {
  const { record, run } = job;
  const shown = redactJob(job, redactor);
  const secrets = [...shown.secrets, ...(others ?? [])];
  const isUnknown = shown.hidden || others === undefined;
  const clean = (text: string) => (isUnknown ? HIDDEN : withoutSecrets(text, secrets));
  // Messages of the worker itself are shown even if it is unknown what is sensitive.
  const cleanerOf = (event: RunEvent | undefined) => (isOwnMessage(event, record) ? asItIs : clean);
  const lastFailed = run.events.findLast((event) => event[1] === "failed");
  const timeline = [
    ...enqueuedEvent(summary),
    ...run.events.map((event) => toEvent(event, cleanerOf(event))),
  ];
  return {
    ...summary,
    ...(summary.lastError === undefined ? {} : { lastError: cleanerOf(lastFailed)(summary.lastError) }),
    payload: shown.payload,
    ...(run.state === "completed" && run.detail !== null ? { result: shown.result } : {}),
    hidden: shown.hidden,
    hash: record.hash,
    options: withoutKeys(record.options, clean),
    ...(progress === undefined
      ? {}
      : // A percentage reveals nothing; any other value may contain payload data.
        {
          progress:
            isUnknown && typeof progress !== "number" ? HIDDEN : valueWithoutSecrets(progress, secrets),
        }),
    ...(steps.size === 0 ? {} : { steps: [...steps].map(([name, result]) => toStep(clean(name), result)) }),
    ...(listensTo.length === 0
      ? {}
      : {
          listensTo: listensTo.map((wait) => ({
            ...wait,
            name: clean(wait.name),
          })),
        }),
    ...(log === undefined ? {} : { log: cleanLog(log, clean) }),
    timeline,
    ...(leaseEndsAt === undefined ? {} : { leaseEndsAt }),
  };
}

const asItIs = (text: string): string => text;

function cleanLog({ lines, dropped }: JobLog, clean: (text: string) => string): JobLog {
  return { dropped, lines: lines.map((line) => ({ ...line, text: clean(line.text) })) };
}

/** Keys are made of the payload, so they are hidden with it. */
function withoutKeys(options: RecordOptions, clean: (text: string) => string): RecordOptions {
  const { key, group } = options;
  return {
    ...options,
    ...(key === undefined ? {} : { key: clean(key) }),
    ...(group === undefined ? {} : { group: clean(group) }),
  };
}

function enqueuedEvent(summary: JobSummary): readonly JobEvent[] {
  return summary.enqueuedAt === undefined ? [] : [{ at: summary.enqueuedAt, kind: "enqueued" }];
}

function toStep(name: string, result: unknown): JobStep {
  return { name, bytes: Buffer.byteLength(JSON.stringify(result) ?? "") };
}

function toEvent(event: RunEvent, clean: (text: string) => string): JobEvent {
  const [at, kind] = event;
  switch (event[1]) {
    case "failed":
      return {
        at,
        kind,
        attempt: event[2],
        error: clean(event[3]),
        message: clean(event[4]),
        stack: clean(event[5]),
      } as JobEvent;
    case "completed":
      return { at, kind, worker: event[2], durationMs: event[3] } as JobEvent;
    case "crashed":
    case "alone":
    case "handed-back":
      return { at, kind, worker: event[2] } as JobEvent;
    case "slept":
    case "waited":
      return { at, kind, wakeAt: event[2] };
    case "cancelled":
    case "retried":
      return { at, kind };
  }
}
