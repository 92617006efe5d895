/**
 * Queues with their counts. Lists and sorted sets of one queue are counted exactly; in sets that all queues
 * of a shard share (active, dead, done), records are read up to a limit, and the counts are extrapolated from
 * that sample.
 */
import { firstInLine } from "../gauges/index.js";
import { ACTIVE_PAD_FIELD, idTime, parseDraining, readRecord, waitingField } from "../protocol/index.js";
import { stateOf, type ShardReader, type StoredJob } from "./shard-reader.js";
import type { QueueSummary } from "./types.js";

/** Records read per shared set; more would transfer megabytes for one number. */
const SAMPLE = 500;
/** Jobs read at each of several places of a large set, so that neither bursts nor regular patterns mislead. */
const WINDOW = 20;

interface Sample {
  readonly jobs: readonly StoredJob[];
  /** Number of jobs that one job of the sample represents; 1 if all were read. */
  readonly scale: number;
}

const NO_SAMPLE: Sample = { jobs: [], scale: 1 };

/**
 * Names of the queues of this shard: those declared by workers, those known to the caller, and those that are
 * paused.
 */
export async function queueNames(reader: ShardReader, known: readonly string[]): Promise<readonly string[]> {
  const { meta, paused } = reader.keys;
  const [fields, pausedNames] = await reader.read((redis) =>
    Promise.all([redis.hkeys(meta), redis.hkeys(paused)]),
  );
  const declared = fields
    .filter((field) => field.startsWith(QUEUE_FIELD))
    .map((field) => field.slice(QUEUE_FIELD.length));
  // Paused tasks are in the same hash; queue names contain no colon.
  const pausedQueues = pausedNames.filter((name) => !name.includes(":"));
  return [...new Set([...known, ...declared, ...pausedQueues])].toSorted();
}

const QUEUE_FIELD = "queue:";

export async function listQueues(
  reader: ShardReader,
  names: readonly string[],
): Promise<readonly QueueSummary[]> {
  const { keys } = reader;
  const [meta, paused, draining, active, dead, done, now] = await Promise.all([
    reader.read((redis) => redis.hgetall(keys.meta)),
    reader.read((redis) => redis.hgetall(keys.paused)),
    reader.read((redis) => redis.get(keys.draining)).then(parseDraining),
    sampleActive(reader),
    sampleSorted(reader, keys.dead),
    sampleSorted(reader, keys.done),
    reader.now(),
  ]);
  const shared = { active, dead, done };
  return Promise.all(
    names.map(async (name): Promise<QueueSummary> => {
      const own = await readOwn(reader, name, now);
      const weight = toNumber(meta[`${QUEUE_FIELD}${name}`]);
      const pausedAt = toNumber(paused[name]);
      const drainingAt = draining.queue.get(name);
      return {
        name,
        ...(weight === undefined ? {} : { weight }),
        ...(pausedAt === undefined ? {} : { pausedAt }),
        ...(drainingAt === undefined ? {} : { drainingAt }),
        ...own.counts,
        ...sharedCounts(shared, name),
        estimated: [...own.estimated, ...estimatedFields(shared)],
        ...(own.oldestPendingMs === undefined ? {} : { oldestPendingMs: own.oldestPendingMs }),
      };
    }),
  );
}

/** Ids read from the front of a list. */
const FRONT = 20;

async function readOwn(reader: ShardReader, name: string, now: number) {
  const { pending: pendingKey, due: dueKey } = reader.keys.queue(name);
  const { groups } = reader.keys;
  const [length, heads, atGate] = await reader.together((reads) =>
    reads
      .llen(pendingKey)
      .lrange(pendingKey, 0, FRONT - 1)
      .hget(groups, waitingField(name)),
  );
  const due = await sampleSorted(reader, dueKey);
  const retry = Math.round(due.jobs.filter((job) => stateOf(job, true) === "retry").length * due.scale);
  const total = Math.round(due.jobs.length * due.scale);
  const oldest = await enqueuedAt(reader, heads as string[]);
  const estimated: readonly (keyof QueueSummary)[] = due.scale > 1 ? ["scheduled", "retry"] : [];
  return {
    counts: { pending: Number(length) + Number(atGate), scheduled: total - retry, retry },
    estimated,
    oldestPendingMs: oldest === undefined ? undefined : Math.max(0, now - oldest),
  };
}

/** When the first waiting job of a list was made. Holes of cancelled or deleted jobs may precede it. */
async function enqueuedAt(reader: ShardReader, ids: readonly string[]): Promise<number | undefined> {
  const [at] = await reader.read(() =>
    firstInLine(reader.connection, reader.keys, [ids], (id, text) => {
      const record = readRecord(text);
      return (typeof record === "object" ? record.options.at : undefined) ?? idTime(id);
    }),
  );
  return at;
}

/** Spread over the whole set: the jobs at its two ends differ, because queues keep their jobs for different times. */
async function sampleSorted(reader: ShardReader, key: string): Promise<Sample> {
  const size = await reader.read((redis) => redis.zcard(key));
  const windows = await reader.together<string[]>((reads) => {
    for (const [first, last] of windowsOf(size)) reads.zrange(key, first, last);
  });
  return toSample(reader, size, [...new Set(windows.flat())]);
}

function windowsOf(size: number): readonly (readonly [number, number])[] {
  if (size <= SAMPLE) return [[0, SAMPLE - 1]];
  const count = SAMPLE / WINDOW;
  return Array.from({ length: count }, (_unused, n) => {
    const first = Math.floor((n * (size - WINDOW)) / (count - 1));
    return [first, first + WINDOW - 1];
  });
}

async function sampleActive(reader: ShardReader): Promise<Sample> {
  const { active } = reader.keys;
  const fields = await reader.read((redis) => redis.hlen(active));
  const ids = await reader.read((redis) =>
    fields <= SAMPLE ? redis.hkeys(active) : (redis.hrandfield(active, SAMPLE) as Promise<string[]>),
  );
  const jobs = ids.filter((id) => id !== ACTIVE_PAD_FIELD);
  return toSample(reader, Math.max(jobs.length, fields - 1), jobs);
}

async function toSample(reader: ShardReader, size: number, ids: readonly string[]): Promise<Sample> {
  if (ids.length === 0) return NO_SAMPLE;
  return { jobs: await reader.jobs(ids), scale: Math.max(1, size / ids.length) };
}

type SharedSamples = Readonly<Record<"active" | "dead" | "done", Sample>>;

function sharedCounts(shared: SharedSamples, queue: string) {
  const count = (sample: Sample, matches: (job: StoredJob) => boolean) =>
    Math.round(sample.jobs.filter((job) => job.record.queue === queue && matches(job)).length * sample.scale);
  return {
    active: count(shared.active, (job) => job.worker !== undefined),
    completed: count(shared.done, (job) => job.run.state === "completed"),
    dead: count(shared.dead, (job) => job.run.state === "dead"),
    cancelled: count(shared.done, (job) => job.run.state === "cancelled"),
  };
}

function estimatedFields(shared: SharedSamples): readonly (keyof QueueSummary)[] {
  return [
    ...(shared.active.scale > 1 ? (["active"] as const) : []),
    ...(shared.done.scale > 1 ? (["completed", "cancelled"] as const) : []),
    ...(shared.dead.scale > 1 ? (["dead"] as const) : []),
  ];
}

function toNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
