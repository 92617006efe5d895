/**
 * All jobs that match, while workers take some and producers add others. A page by rank is for people: where jobs leave a list in front, those
 * behind them come nearer, and the next page begins too late. A walk goes by what does not move: from the end of a pending list, by the
 * scores and names of sorted sets. A job that stays where it is for as long as the walk takes is met.
 */
import { waitingId } from "../protocol/index.js";
import { activeIds, type Entry, scored, type Source, sourcesFor, summarizeEntries } from "./job-list.js";
import type { ShardReader } from "./shard-reader.js";
import type { JobFilter, JobSummary } from "./types.js";

/** Ids read at once. */
const CHUNK = 200;
/** In the order in which a job goes from one to the next, so that it is met in the next if not in the one. */
const COURSE = ["due", "waiting", "pending", "active", "dead", "done"] as const;

export async function* walkJobs(
  reader: ShardReader,
  queues: readonly string[],
  filter: JobFilter,
): AsyncGenerator<readonly JobSummary[]> {
  const place = ({ kind }: Source): number => COURSE.indexOf(kind);
  const sources = sourcesFor(filter, queues).toSorted((one, other) => place(one) - place(other));
  for (const source of sources) {
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
  filter: JobFilter,
  limit: number,
): Promise<readonly string[]> {
  const ids = new Set<string>();
  for await (const jobs of walkJobs(reader, queues, filter)) {
    for (const { id } of jobs) if (ids.size < limit) ids.add(id);
    if (ids.size === limit) break;
  }
  return [...ids];
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

/** From its end: jobs leave in front, and what is added at the end meanwhile is only read twice. */
async function* listEntries(reader: ShardReader, key: string): AsyncGenerator<readonly Entry[]> {
  for (let seen = 0; ; seen += CHUNK) {
    const ids = await reader.read((redis) => redis.lrange(key, -seen - CHUNK, -seen - 1));
    yield ids.map((id) => ({ id }));
    if (ids.length < CHUNK) return;
  }
}

/** By their names, which do not change: all scores are 0. */
async function* waitingEntries(reader: ShardReader): AsyncGenerator<readonly Entry[]> {
  const { waiting } = reader.keys;
  for (let from = "-"; ;) {
    const members = await reader.read((redis) => redis.zrangebylex(waiting, from, "+", "LIMIT", 0, CHUNK));
    // Notes of free slots stand among them and are no jobs.
    yield members.flatMap((member) => waitingId(member) ?? []).map((id) => ({ id }));
    if (members.length < CHUNK) return;
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
