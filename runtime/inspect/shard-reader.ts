/** The reads that the other files share: records, runs and owners of jobs, and what follows from them. */
import { PROTOCOL_VERSION, toTaskweftError, type Connection } from "../connection/index.js";
import {
  idTime,
  parseRecord,
  parseRun,
  type JobRecord,
  type JobRun,
  type JobState,
  type RunEvent,
  type ShardKeys,
  type ShardRouter,
} from "../protocol/index.js";
import type { JobSummary } from "./types.js";

/** What Redis knows of one job, read at one moment. */
export interface StoredJob {
  readonly id: string;
  readonly record: JobRecord;
  readonly run: JobRun;
  /** Who holds it. */
  readonly worker: string | undefined;
}

export class ShardReader {
  readonly keys: ShardKeys;
  readonly #connection: Connection;
  readonly #router: ShardRouter | undefined;

  /** @param router of several shards. */
  constructor(connection: Connection, keys: ShardKeys, router?: ShardRouter) {
    this.#connection = connection;
    this.keys = keys;
    this.#router = router;
  }

  /** The shard to which the id leads, where that is another than this one. */
  leadsElsewhere(id: string): number | undefined {
    const shard = this.#router?.ofId(id) ?? this.keys.shard;
    return shard === this.keys.shard ? undefined : shard;
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** Runs plain commands; what ioredis throws becomes an error of ours. */
  async read<Reply>(commands: (redis: Connection["redis"]) => Promise<Reply>): Promise<Reply> {
    try {
      return await commands(this.#connection.redis);
    } catch (error) {
      throw toTaskweftError(error, "inspect");
    }
  }

  /** The jobs of these ids, in order, without those that are gone. Records, runs and owners are of one moment. */
  async jobs(ids: readonly string[]): Promise<readonly StoredJob[]> {
    if (ids.length === 0) return [];
    const { jobs, runs, active } = this.keys;
    const replies = await this.read((redis) =>
      redis
        .multi()
        .hmget(jobs, ...ids)
        .hmget(runs, ...ids)
        .hmget(active, ...ids)
        .exec(),
    );
    const [records, runTexts, owners] = transactionReplies<(string | null)[]>(replies);
    return ids.flatMap((id, index) => {
      const text = records?.[index];
      const record = text === null || text === undefined ? undefined : parseRecord(text);
      if (record === undefined) return [];
      const run = parseRun(runTexts?.[index] ?? null);
      return [{ id, record, run, worker: owners?.[index] ?? undefined }];
    });
  }

  /** Milliseconds since the epoch, by the clock of Redis. */
  async now(): Promise<number> {
    const [seconds, micros] = await this.read((redis) => redis.time());
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }
}

/** The protocol that the shard is written in; ours, where nothing is yet. */
export async function readProtocol(
  reader: ShardReader,
): Promise<{ readonly stored: number; readonly known: number }> {
  const stored = await reader.read((redis) => redis.hget(reader.keys.meta, "protocol"));
  return { stored: Number(stored ?? PROTOCOL_VERSION), known: PROTOCOL_VERSION };
}

/** The replies of MULTI. @throws the first error among them. */
export function transactionReplies<Reply>(replies: [Error | null, unknown][] | null): Reply[] {
  if (replies === null) throw toTaskweftError(new Error("the transaction was discarded"), "inspect");
  return replies.map(([error, reply]) => {
    if (error !== null) throw toTaskweftError(error, "inspect");
    return reply as Reply;
  });
}

/** The state of a job, given whether it stands in the due set of its queue. See docs/states.md. */
export function stateOf(job: StoredJob, isDue: boolean): JobState {
  const { state } = job.run;
  if (state === "completed" || state === "dead" || state === "cancelled") return state;
  if (job.worker !== undefined) return "active";
  if (!isDue) return "pending";
  // A run that says `retry` was written by a failed attempt; without one the job was never tried.
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
