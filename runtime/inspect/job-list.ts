/**
 * Lists of jobs in pages. A shard keeps ids in lists and sorted sets by state, so a page is read by rank, and
 * a filter on the task is applied to what was read. A call looks at a bounded number of ids and returns where
 * to continue.
 */
import { HIDDEN, withoutSecrets } from "../definition/index.js";
import { TaskweftError } from "../errors.js";
import { ACTIVE_PAD_FIELD, isOwnMessage, type JobState, waitingId } from "../protocol/index.js";
import { hashPages, pairsOf } from "./audit/pages.js";
import { bothSecrets, type HeardSecrets, readHeardSecrets } from "./heard.js";
import { redactJob } from "./redact.js";
import { readRunSecrets, secretsOfRun } from "./run-secrets.js";
import { stateOf, summarize, type ShardReader, type StoredJob } from "./shard-reader.js";
import type { JobFilter, JobListOptions, JobPage, JobSummary, Redactor } from "./types.js";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1000;
const CHUNK = 200;
/** Ids that one call looks at: a filter that matches nothing must not read a million records. */
const SCAN_BUDGET = 5000;
/** Normally there are as many active jobs as workers have slots; beyond this number the list is cut off. */
const MAX_ACTIVE = 10_000;

/** Where ids of certain states are stored, in the order of the list. */
export type Source =
  | { readonly kind: "active" | "waiting" }
  | { readonly kind: "pending" | "due"; readonly queue: string }
  | { readonly kind: "dead" | "done" };

export interface Entry {
  readonly id: string;
  /** Score in a sorted set. */
  readonly score?: number;
}

interface Position {
  readonly source: number;
  readonly rank: number;
}

export async function listJobs(
  reader: ShardReader,
  queues: readonly string[],
  options: JobListOptions,
  redactor?: Redactor,
): Promise<JobPage> {
  const limit = checkedLimit(options.limit);
  const sources = sourcesFor(options, queues);
  let { source, rank } = decodeCursor(options.cursor);
  const found: JobSummary[] = [];
  let budget = SCAN_BUDGET;
  while (source < sources.length && budget > 0) {
    const entries = await readEntries(reader, sources[source]!, rank, CHUNK);
    budget -= entries.length;
    const summaries = await summarizeEntries(reader, sources[source]!, entries, options, redactor);
    for (const [index, summary] of summaries.entries()) {
      rank++;
      if (summary === undefined) continue;
      found.push(summary);
      if (found.length < limit) continue;
      const last = index === entries.length - 1 && entries.length < CHUNK && source === sources.length - 1;
      return last ? { jobs: found } : { jobs: found, next: encodeCursor({ source, rank }) };
    }
    if (entries.length < CHUNK) [source, rank] = [source + 1, 0];
  }
  return source < sources.length ? { jobs: found, next: encodeCursor({ source, rank }) } : { jobs: found };
}

export function sourcesFor(filter: JobFilter, queues: readonly string[]): readonly Source[] {
  const names = filter.queue === undefined ? queues : [filter.queue];
  const pending: readonly Source[] = [
    ...names.map((queue): Source => ({ kind: "pending", queue })),
    // Jobs at the gate, of all queues.
    { kind: "waiting" },
  ];
  const due = names.map((queue): Source => ({ kind: "due", queue }));
  const bySource: Record<JobState, readonly Source[]> = {
    active: [{ kind: "active" }],
    pending,
    scheduled: due,
    retry: due,
    dead: [{ kind: "dead" }],
    completed: [{ kind: "done" }],
    cancelled: [{ kind: "done" }],
  };
  if (filter.state !== undefined) return bySource[filter.state];
  return [...bySource.active, ...pending, ...due, ...bySource.dead, ...bySource.completed];
}

async function readEntries(
  reader: ShardReader,
  source: Source,
  rank: number,
  count: number,
): Promise<readonly Entry[]> {
  const { keys } = reader;
  switch (source.kind) {
    case "active": {
      const ids = await activeIds(reader);
      return ids.slice(rank, rank + count).map((id) => ({ id }));
    }
    case "pending": {
      const { pending } = keys.queue(source.queue);
      const ids = await reader.read((redis) => redis.lrange(pending, rank, rank + count - 1));
      return ids.map((id) => ({ id }));
    }
    case "waiting": {
      const members = await reader.read((redis) =>
        redis.zrange(keys.waiting, rank, String(rank + count - 1)),
      );
      // Notes of free slots are in the same set: they are not jobs, but count in the rank.
      return members.map((member) => ({ id: waitingId(member) ?? "" }));
    }
    case "due": {
      // In order of due time.
      const { due } = keys.queue(source.queue);
      return scored(
        await reader.read((redis) => redis.zrange(due, rank, String(rank + count - 1), "WITHSCORES")),
      );
    }
    case "dead":
    case "done": {
      // The most recently ended first.
      const key = keys[source.kind];
      return scored(
        await reader.read((redis) => redis.zrange(key, rank, String(rank + count - 1), "REV", "WITHSCORES")),
      );
    }
  }
}

export async function activeIds(reader: ShardReader): Promise<readonly string[]> {
  const ids = new Set<string>();
  for await (const page of hashPages(reader, reader.keys.active)) {
    for (const [id] of pairsOf(page)) ids.add(id);
    if (ids.size >= MAX_ACTIVE) break;
  }
  ids.delete(ACTIVE_PAD_FIELD);
  return [...ids].toSorted();
}

export function scored(reply: readonly string[]): readonly Entry[] {
  const entries: Entry[] = [];
  for (let index = 0; index < reply.length; index += 2) {
    entries.push({ id: reply[index]!, score: Number(reply[index + 1]) });
  }
  return entries;
}

/**
 * One summary per entry; `undefined` for holes, for jobs that have moved on since the ids were read, and for
 * those that do not match.
 */
export async function summarizeEntries(
  reader: ShardReader,
  source: Source,
  entries: readonly Entry[],
  filter: JobFilter,
  redactor: Redactor | undefined,
): Promise<readonly (JobSummary | undefined)[]> {
  const jobs = await reader.jobs(entries.map((entry) => entry.id));
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const summaries = entries.map(({ id, score }) => {
    const job = byId.get(id);
    if (job === undefined) return undefined;
    const state = stateOf(job, source.kind === "due");
    if (!belongs(state, source)) return undefined;
    const times = source.kind === "due" ? { dueAt: score } : { removedAt: score };
    const summary = summarize(job, state, times);
    return matches(summary, filter) ? summary : undefined;
  });
  // The sensitive values of other records are read only for jobs that are shown with an error.
  const failed = summaries.flatMap((summary) =>
    summary?.lastError === undefined ? [] : [byId.get(summary.id)!],
  );
  const ids = failed.map((job) => job.id);
  const heard = await readHeardSecrets(reader, ids, redactor);
  const ofRuns = await readRunSecrets(reader, failed, redactor);
  return summaries.map((summary) => {
    if (summary?.lastError === undefined) return summary;
    const job = byId.get(summary.id)!;
    const heardSecrets = heard.has(job.id) ? heard.get(job.id) : [];
    const others = bothSecrets(heardSecrets, secretsOfRun(ofRuns, job.record));
    return { ...summary, lastError: cleanError(summary.lastError, job, others, redactor) };
  });
}

/** Errors repeat values of payloads, events and runs, so a list hides these as the details of a job do. */
function cleanError(
  error: string,
  job: StoredJob,
  others: HeardSecrets,
  redactor: Redactor | undefined,
): string {
  const last = job.run.events.findLast((event) => event[1] === "failed");
  if (isOwnMessage(last, job.record)) return error;
  const shown = redactJob(job, redactor);
  if (shown.hidden || others === undefined) return HIDDEN;
  return withoutSecrets(error, [...shown.secrets, ...others]);
}

/**
 * Whether the job is to be listed here: a pending list keeps ids of cancelled jobs as holes, and each job is
 * listed once, under its state.
 */
function belongs(state: JobState, source: Source): boolean {
  switch (source.kind) {
    case "active":
    case "pending":
    case "dead":
      return state === source.kind;
    case "waiting":
      return state === "pending";
    case "due":
      return state === "scheduled" || state === "retry";
    case "done":
      return state === "completed" || state === "cancelled";
  }
}

function matches(job: JobSummary, filter: JobFilter): boolean {
  if (filter.state !== undefined && job.state !== filter.state) return false;
  if (filter.queue !== undefined && job.queue !== filter.queue) return false;
  if (filter.steps !== undefined && (job.run !== undefined) !== filter.steps) return false;
  return filter.task === undefined || job.task === filter.task;
}

export function checkedLimit(limit: number | undefined, operation = "listJobs"): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new TaskweftError(
    "OptionInvalid",
    `limit: expected a whole number from 1 to ${MAX_LIMIT}, got ${limit}`,
    { operation },
  );
}

export function encodeCursor(position: Position): string {
  return `${position.source}.${position.rank}`;
}

export function decodeCursor(cursor: string | undefined, operation = "listJobs"): Position {
  if (cursor === undefined) return { source: 0, rank: 0 };
  const match = /^(\d{1,4})\.(\d{1,12})$/.exec(cursor);
  if (match !== null) return { source: Number(match[1]), rank: Number(match[2]) };
  throw new TaskweftError("OptionInvalid", "cursor: expected what the page before gave as `next`", {
    operation,
  });
}
