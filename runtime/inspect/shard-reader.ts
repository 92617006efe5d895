/** The reads that the other files share: records, runs and owners of jobs, and what follows from them. */
import { PROTOCOL_VERSION, type Reads, type Connection } from "../connection/index.js";
import {
  idTime,
  NEW_RUN,
  parseRun,
  queueOfRecord,
  readRecord,
  type JobRecord,
  type JobRun,
  type JobState,
  type RunEvent,
  type ShardKeys,
  type ShardRouter,
} from "../protocol/index.js";
import type { JobSummary } from "./types.js";

/** What Redis stores about one job, read at one moment. */
export interface StoredJob {
  readonly id: string;
  readonly record: JobRecord;
  readonly run: JobRun;
  /** The worker that holds the job. */
  readonly worker: string | undefined;
  /** Set if the record or the history is unreadable; the values here are then placeholders. */
  readonly unreadable?: true;
}

/** Placeholder that no task can have as its name. */
const UNREADABLE_TASK = "(unreadable)";

export class ShardReader {
  readonly keys: ShardKeys;
  readonly #connection: Connection;
  readonly #router: ShardRouter | undefined;

  /** @param router Set in a system with several shards. */
  constructor(connection: Connection, keys: ShardKeys, router?: ShardRouter) {
    this.#connection = connection;
    this.keys = keys;
    this.#router = router;
  }

  /** The shard that the id leads to, if it is not this one. */
  leadsElsewhere(id: string): number | undefined {
    const shard = this.#router?.ofId(id) ?? this.keys.shard;
    return shard === this.keys.shard ? undefined : shard;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Runs plain commands and turns errors of ioredis into TaskweftErrors. */
  async read<Reply>(commands: (redis: Connection["redis"]) => Promise<Reply>): Promise<Reply> {
    try {
      return await commands(this.#connection.redis);
    } catch (error) {
      throw this.#connection.failure(error, "inspect");
    }
  }

  /** The replies to all that `collect` asks for, of one moment, in the order of its calls. */
  async together<Reply = unknown>(collect: (reads: Reads) => unknown): Promise<Reply[]> {
    return (await this.#connection.readTogether(collect, "inspect")) as Reply[];
  }

  /** The jobs of these ids, in order, without those that are gone. Records, runs and owners are of one moment. */
  async jobs(ids: readonly string[]): Promise<readonly StoredJob[]> {
    if (ids.length === 0) return [];
    const { jobs, runs, active } = this.keys;
    const [records, runTexts, owners] = await this.together<(string | null)[]>((reads) =>
      reads
        .hmget(jobs, ...ids)
        .hmget(runs, ...ids)
        .hmget(active, ...ids),
    );
    return ids.flatMap((id, index) => {
      const text = records?.[index];
      const job = text === null || text === undefined ? undefined : readJob(text, runTexts?.[index] ?? null);
      return job === undefined ? [] : [{ id, ...job, worker: owners?.[index] ?? undefined }];
    });
  }

  /** The time of Redis in milliseconds since the epoch. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.read((redis) => redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }
}

/** One unreadable text must not hide the other jobs, nor keep the job from being deleted. */
function readJob(text: string, runText: string | null): Omit<StoredJob, "id" | "worker"> | undefined {
  const record = readRecord(text);
  if (record === undefined) return undefined;
  const run = readRun(runText);
  if (record === "unreadable") {
    const queue = queueOfRecord(text) ?? "";
    const inItsPlace = { version: 0, task: UNREADABLE_TASK, queue, hash: "", options: {}, payload: null };
    return { record: inItsPlace, run: run ?? NEW_RUN, unreadable: true };
  }
  return run === undefined ? { record, run: NEW_RUN, unreadable: true } : { record, run };
}

function readRun(text: string | null): JobRun | undefined {
  try {
    const run = parseRun(text);
    return Array.isArray(run.events) && typeof run.state === "string" ? run : undefined;
  } catch {
    return undefined;
  }
}

/** The protocol that the shard is written in; this version's if the shard is empty. */
export async function readProtocol(
  reader: ShardReader,
): Promise<{ readonly stored: number; readonly known: number }> {
  const stored = await reader.read((redis) => redis.hget(reader.keys.meta, "protocol"));
  return { stored: Number(stored ?? PROTOCOL_VERSION), known: PROTOCOL_VERSION };
}

/** The state of a job, given whether it stands in the due set of its queue. See docs/states.md. */
export function stateOf(job: StoredJob, isDue: boolean): JobState {
  const { state } = job.run;
  if (state === "completed" || state === "dead" || state === "cancelled") return state;
  if (job.worker !== undefined) return "active";
  if (!isDue) return "pending";
  // The history says `retry` only after a failed attempt; without one the job has never run.
  return state === "retry" ? "retry" : "scheduled";
}

export interface SummaryTimes {
  readonly dueAt?: number | undefined;
  readonly removedAt?: number | undefined;
}

export function summarize(job: StoredJob, state: JobState, times: SummaryTimes): JobSummary {
  const { id, record, run, worker } = job;
  const enqueuedAt = record.options.at ?? idTime(id);
  const endedAt = endTime(run, state);
  const lastError = run.events.findLast((event) => event[1] === "failed");
  return {
    id,
    task: record.task,
    queue: record.queue,
    state,
    attempts: run.attempts,
    crashes: run.crashes,
    ...(enqueuedAt === undefined ? {} : { enqueuedAt }),
    ...(times.dueAt === undefined ? {} : { dueAt: times.dueAt }),
    ...(endedAt === undefined ? {} : { endedAt }),
    ...(times.removedAt === undefined ? {} : { removedAt: times.removedAt }),
    ...(state === "active" && worker !== undefined ? { worker } : {}),
    ...(lastError === undefined ? {} : { lastError: errorLine(lastError) }),
    ...(state === "dead" && run.events.at(-1)?.[1] === "crashed" ? { crashed: true } : {}),
    ...(record.options.run === undefined ? {} : { run: record.options.run }),
    ...(job.unreadable === true ? { unreadable: true } : {}),
  };
}

/** The last event of a job in a final state is the one that ended it. */
function endTime(run: JobRun, state: JobState): number | undefined {
  const final = state === "completed" || state === "dead" || state === "cancelled";
  return final ? run.events.at(-1)?.[0] : undefined;
}

function errorLine(event: RunEvent): string {
  return event[1] === "failed" ? `${event[3]}: ${event[4]}` : "";
}
