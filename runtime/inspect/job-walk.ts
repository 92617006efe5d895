/**
 * All jobs that match, while workers take some and producers add others. A page by rank is for people: where jobs leave a list in front, those
 * behind them come nearer, and the next page begins too late. A walk goes against the direction in which jobs move, or by what does not move: the
 * scores and names of sorted sets. A job that stays where it is for as long as the walk takes is met, perhaps twice. What comes
 * after the walk has reached a place need not be, so that it ends also where more comes than can be read.
 */
import { LAST_NUMBER_FIELD, waitingPlace } from "../protocol/index.js";
import { activeIds, type Entry, scored, type Source, sourcesFor, summarizeEntries } from "./job-list.js";
import type { ShardReader } from "./shard-reader.js";
import type { CollectedIds, JobFilter, JobSummary } from "./types.js";

/** Jobs read at once. */
const CHUNK = 200;
/** The same at the end of a list, where most walks that look for one job find it. */
const FIRST_CHUNK = 20;
/** Ids that may be put in front of a list, by workers that hand back what they have not started, between two steps of a walk. */
const HANDED_BACK = 1000;
/** Members of `waiting` read at once: of those that have come since, no more is read. */
const MEMBERS = 2000;
/**
 * In the order in which a job goes from one to the next, so that it is met in the next if not in the one. Those of a paused task go back
 * from their lists to the gate.
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

/** Ids of all jobs that match, at most `limit`: for commands that then act on each. */
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
  return { ids: [...ids], steps: steps.size };
}

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
 * From the last that stood there when it began: jobs leave in front, which brings those that are left nearer to the front, and what is added
 * at the end meanwhile is behind. Some are put back in front, which moves the others by as many: so some more are looked at each time.
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

/** By their names, which do not change: all scores are 0. Those that come meanwhile have later numbers. */
async function* waitingEntries(reader: ShardReader): AsyncGenerator<readonly Entry[]> {
  const { groups, waiting } = reader.keys;
  const last = Number((await reader.read((redis) => redis.hget(groups, LAST_NUMBER_FIELD))) ?? 0);
  for (let from = "-"; ;) {
    const members = await reader.read((redis) => redis.zrangebylex(waiting, from, "+", "LIMIT", 0, MEMBERS));
    // Notes of free slots stand among them and are no jobs.
    const places = members.flatMap((member) => waitingPlace(member) ?? []);
    const ids = places.filter(({ number }) => number <= last);
    for (let at = 0; at < ids.length; at += CHUNK) yield ids.slice(at, at + CHUNK);
    if (members.length < MEMBERS) return;
    from = `(${members.at(-1)!}`;
  }
}

/** By their times, the latest first: what is due leaves in front. Of one time there may be thousands, which are counted from their end. */
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
