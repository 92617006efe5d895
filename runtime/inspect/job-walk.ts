/**
 * Visits all matching jobs while workers take some and producers add others. Pages by rank are for people:
 * when jobs leave the front of a list, those behind them move up, and the next page begins too late. A walk
 * goes against the direction in which jobs move, or by what does not move: the scores and names of sorted
 * sets. A job that stays where it is during the walk is met, perhaps twice. Jobs that come after the walk has
 * passed their place may be missed, so that the walk ends even if jobs come faster than it reads.
 */
import { type JobState, LAST_NUMBER_FIELD, waitingPlace } from "../protocol/index.js";
import { activeIds, type Entry, scored, type Source, sourcesFor, summarizeEntries } from "./job-list.js";
import type { ShardReader } from "./shard-reader.js";
import type { CollectedIds, JobFilter, JobSummary } from "./types.js";

/** Ids that `collectIds` gives where no number is asked for. */
export const MAX_COLLECTED = 10_000;
/** Jobs read at once. */
const CHUNK = 200;
/** First chunk at the end of a list, where most walks that look for one job find it. */
const FIRST_CHUNK = 20;
/**
 * Ids that workers may put back at the front of a list between two steps of a walk, when they hand back jobs
 * they have not started.
 */
const HANDED_BACK = 1000;
/**
 * Members of `waiting` read at once; those that have come since are skipped without reading their records.
 */
const MEMBERS = 2000;
/**
 * In the order in which a job moves, so that it is met in the next place if not in this one. The gate comes
 * twice, because jobs of a paused task go back to it from their lists.
 */
const COURSE = ["due", "waiting", "pending", "waiting", "active", "dead", "done"] as const;

export async function* walkJobs(
  reader: ShardReader,
  queues: readonly string[],
  filter: JobFilter,
): AsyncGenerator<readonly JobSummary[]> {
  const sources = sourcesFor(filter, queues);
  for (const source of COURSE.flatMap((kind) => sources.filter((one) => one.kind === kind))) {
    for await (const entries of entriesOf(reader, source)) {
      const summaries = await summarizeEntries(reader, source, entries, filter, undefined);
      yield summaries.filter((summary) => summary !== undefined);
    }
  }
}

/**
 * Ids of all matching jobs, at most `limit`: for commands that then act on each. Those of states that are sorted
 * by time come with the earliest first, so that jobs of one key which are retried keep their order.
 */
export async function collectIds(
  reader: ShardReader,
  queues: readonly string[],
  { steps: whether, ...filter }: JobFilter,
  limit: number,
): Promise<CollectedIds> {
  const ids = new Set<string>();
  const steps = new Set<string>();
  for await (const jobs of walkJobs(reader, queues, whether === true ? { ...filter, steps: true } : filter)) {
    for (const { id, run } of jobs) {
      const found = whether === false && run !== undefined ? steps : ids;
      if (found.size < limit) found.add(id);
    }
    if (ids.size === limit) break;
  }
  const isTimed = filter.state !== undefined && !NOT_TIMED.has(filter.state);
  return { ids: isTimed ? [...ids].reverse() : [...ids], steps: steps.size };
}

const NOT_TIMED: ReadonlySet<JobState> = new Set(["pending", "active"]);

function entriesOf(reader: ShardReader, source: Source): AsyncGenerator<readonly Entry[]> {
  const { keys } = reader;
  switch (source.kind) {
    case "active":
      return activeEntries(reader);
    case "pending":
      return listEntries(reader, keys.queue(source.queue).pending);
    case "waiting":
      return waitingEntries(reader);
    case "due":
      return scoredEntries(reader, keys.queue(source.queue).due);
    case "dead":
    case "done":
      return scoredEntries(reader, keys[source.kind]);
  }
}

async function* activeEntries(reader: ShardReader): AsyncGenerator<readonly Entry[]> {
  const ids = await activeIds(reader);
  for (let from = 0; from < ids.length; from += CHUNK)
    yield ids.slice(from, from + CHUNK).map((id) => ({ id }));
}

/**
 * Starts at the last id in the list: jobs leave at the front, which moves the others towards it, and jobs
 * that join at the end can be ignored. Ids that are put back at the front move the others the other way, so
 * each step reads some more.
 */
export async function* listEntries(reader: ShardReader, key: string): AsyncGenerator<readonly Entry[]> {
  let [known, step] = [new Set<string>(), FIRST_CHUNK];
  for (let end = await reader.read((redis) => redis.llen(key)); end > 0; end -= step, step = CHUNK) {
    const [from, to] = [Math.max(0, end - step), end + HANDED_BACK - 1];
    const ids = await reader.read((redis) => redis.lrange(key, from, to));
    yield ids.filter((id) => !known.has(id)).map((id) => ({ id }));
    known = new Set(ids);
  }
}

/**
 * In order of names, which do not change, as all scores are 0. Jobs that come meanwhile have larger numbers.
 */
async function* waitingEntries(reader: ShardReader): AsyncGenerator<readonly Entry[]> {
  const { groups, waiting } = reader.keys;
  const last = Number((await reader.read((redis) => redis.hget(groups, LAST_NUMBER_FIELD))) ?? 0);
  for (let from = "-"; ;) {
    const members = await reader.read((redis) => redis.zrangebylex(waiting, from, "+", "LIMIT", 0, MEMBERS));
    // Notes of free slots are in the same set and are not jobs.
    const places = members.flatMap((member) => waitingPlace(member) ?? []);
    const ids = places.filter(({ number }) => number <= last);
    for (let at = 0; at < ids.length; at += CHUNK) yield ids.slice(at, at + CHUNK);
    if (members.length < MEMBERS) return;
    from = `(${members.at(-1)!}`;
  }
}

/**
 * In order of time, the latest first, because due jobs leave at the front. Thousands may have the same time,
 * so they are counted within it.
 */
async function* scoredEntries(reader: ShardReader, key: string): AsyncGenerator<readonly Entry[]> {
  let [from, known] = ["+inf", 0];
  for (;;) {
    const reply = await reader.read((redis) =>
      redis.zrevrangebyscore(key, from, "-inf", "WITHSCORES", "LIMIT", known, CHUNK),
    );
    yield scored(reply);
    if (reply.length < 2 * CHUNK) return;
    const last = reply.at(-1)!;
    const ofLast = reply.filter((score, index) => index % 2 === 1 && score === last).length;
    [from, known] = [last, last === from ? known + ofLast : ofLast];
  }
}
