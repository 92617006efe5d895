/**
 * The second look: everything that is stored about the suspects, and only about them. A list is not searched
 * for each id; it is read once more in pages, between two reads of everything else. An id for which those two
 * reads differ has moved, so a script has just kept it in order.
 */
import {
  logField,
  progressField,
  runFields,
  waitingMember,
  waitingPlace,
  waitsField,
} from "../../protocol/index.js";
import type { ShardReader } from "../shard-reader.js";
import {
  fieldOfItsRun,
  hasEnded,
  notesFacts,
  recordFacts,
  runFacts,
  type JobFacts,
  type KeyFacts,
} from "./facts.js";
import { listPages } from "./pages.js";

/** Ids whose facts are read in one call, which must take only a fraction of a millisecond. */
const AT_ONCE = 50;
/**
 * Number of ids at the front of a list that are searched again for jobs in no index: jobs that are handed
 * back go to the front.
 */
const FRONT = 10_000;

export type Suspects = ReadonlyMap<string, readonly string[]>;

export async function lookAgain(
  reader: ShardReader,
  suspects: Suspects,
  queues: readonly string[],
): Promise<readonly JobFacts[]> {
  const before = await factsOf(reader, [...suspects], queues);
  const open = before.filter((facts) => facts.record.kind !== "newer");
  const places = await readPlaces(reader, new Set(open.map(({ id }) => id)), queues);
  await searchFronts(reader, open, places);
  const again = open.map(({ id }): [string, readonly string[]] => [id, suspects.get(id) ?? []]);
  const after = await factsOf(reader, again, queues);
  return after.flatMap((facts, index) =>
    fingerprint(facts) === fingerprint(open[index]!)
      ? [{ ...facts, pending: places.get(facts.id) ?? new Map<string, number>() }]
      : [],
  );
}

function fingerprint({
  record,
  run,
  owner,
  due,
  done,
  dead,
  cancelAsked,
  awaited,
  keys,
  ...facts
}: JobFacts): string {
  const gate = [facts.entry, facts.atGate, facts.strays];
  return JSON.stringify([
    record.kind,
    run.text,
    owner,
    [...due],
    done,
    dead,
    cancelAsked,
    awaited,
    keys,
    gate,
  ]);
}

type Places = Map<string, Map<string, number>>;

async function readPlaces(
  reader: ShardReader,
  ids: ReadonlySet<string>,
  queues: readonly string[],
): Promise<Places> {
  const places: Places = new Map();
  if (ids.size === 0) return places;
  for (const queue of queues) {
    for await (const page of listPages(reader, reader.keys.queue(queue).pending)) {
      for (const id of page) if (ids.has(id)) addPlace(places, id, queue);
    }
  }
  return places;
}

function addPlace(places: Places, id: string, queue: string): void {
  const own = places.get(id) ?? new Map<string, number>();
  places.set(id, own.set(queue, (own.get(queue) ?? 0) + 1));
}

/** A job that was handed back while the list was read is at the list's front, which had been read before. */
async function searchFronts(reader: ShardReader, all: readonly JobFacts[], places: Places): Promise<void> {
  for (const { id, record, owner, due, done, dead, atGate } of all) {
    const placed = places.has(id) || owner !== undefined || due.size > 0 || atGate;
    if (record.kind !== "job" || placed || done !== undefined || dead !== undefined) continue;
    const { pending } = reader.keys.queue(record.queue);
    const position = await reader.read((redis) => redis.lpos(pending, id, "MAXLEN", FRONT));
    if (position !== null) addPlace(places, id, record.queue);
  }
}

/** The facts about ids, without the pending lists. */
async function factsOf(
  reader: ShardReader,
  suspects: readonly (readonly [id: string, keyFields: readonly string[]])[],
  queues: readonly string[],
): Promise<readonly JobFacts[]> {
  const all: JobFacts[] = [];
  for (let start = 0; start < suspects.length; start += AT_ONCE) {
    const some = suspects.slice(start, start + AT_ONCE);
    const facts = await withRuns(reader, await readFacts(reader, some, queues));
    all.push(...(await withKeys(reader, facts, new Map(some))));
  }
  return all;
}

async function readFacts(
  reader: ShardReader,
  suspects: readonly (readonly [id: string, fields: readonly string[]])[],
  queues: readonly string[],
): Promise<readonly JobFacts[]> {
  const { keys } = reader;
  const ids = suspects.map(([id]) => id);
  // The entry tells where an id should wait, so it must be read first; it is read again with everything else.
  const entries = await reader.read((redis) => redis.hmget(keys.limited, ...ids));
  const members = suspects.map(([id, fields], index) => membersOf(id, entries[index] ?? undefined, fields));
  const replies = await reader.together<(string | null)[]>((reads) => {
    reads
      .time(keys.jobs)
      .hmget(keys.jobs, ...ids)
      .hmget(keys.runs, ...ids)
      .hmget(keys.active, ...ids)
      .zmscore(keys.done, ...ids)
      .zmscore(keys.dead, ...ids)
      .smismember(keys.cancels, ...ids)
      .hmget(keys.waits, ...ids)
      .hmget(keys.notes, ...ids)
      .hmget(keys.notes, ...ids.map(progressField))
      .hmget(keys.notes, ...ids.map(logField))
      .hmget(keys.notes, ...ids.map(waitsField))
      .zrange(keys.leases, 0, -1, "WITHSCORES")
      .hmget(keys.limited, ...ids)
      .zmscore(keys.waiting, ...(members.flat().length === 0 ? [""] : members.flat()))
      .hmget(keys.workflows, ...ids)
      .hmget(keys.workflows, ...ids.map(runFields.state))
      .hmget(keys.workflows, ...ids.map(fieldOfItsRun));
    for (const queue of queues) reads.zmscore(keys.queue(queue).due, ...ids);
  });
  const [time, records, runs, owners, done, dead, cancels, awaits, steps, progress, logs, rests, ...others] =
    replies;
  const [leases, limited, waiting, workflowRuns, workflowStates, runsOfItems, ...due] = others;
  const waits = new Set(members.flat().filter((_member, index) => waiting![index] !== null));
  const nowMs = Number(time![0]) * 1000 + Math.floor(Number(time![1]) / 1000);
  const lives = (owner: string): boolean => Number(leases![leases!.indexOf(owner) + 1] ?? 0) > nowMs;
  return ids.map((id, index) => {
    const owner = owners![index] ?? undefined;
    const dues = queues.flatMap((queue, number): [string, number][] => {
      const score = due[number]![index];
      return score === null || score === undefined ? [] : [[queue, Number(score)]];
    });
    const entry = limited![index] ?? undefined;
    const own = entry === undefined ? undefined : waitingMember(id, entry);
    return {
      id,
      nowMs,
      leadsElsewhere: reader.leadsElsewhere(id),
      entry,
      atGate: own !== undefined && waits.has(own),
      strays: members[index]!.filter((member) => member !== own && waits.has(member)),
      record: recordFacts(records![index]),
      run: runFacts(runs![index]),
      owner,
      ownerLives: owner !== undefined && leases!.includes(owner) && lives(owner),
      done: scoreOf(done![index]),
      dead: scoreOf(dead![index]),
      due: new Map(dues),
      pending: new Map(),
      cancelAsked: Number(cancels![index]) === 1,
      awaited:
        typeof awaits![index] === "string" && !isUnderWay(workflowRuns![index], workflowStates![index]),
      notes: notesFacts(steps![index], progress![index], rests![index]),
      logged: typeof logs![index] === "string",
      ofRun: typeof runsOfItems![index] === "string",
      ofHaltedRun: false,
      keys: [],
    };
  });
}

/** Whether it is an unfinished workflow run: clients wait for runs as they do for jobs. */
function isUnderWay(record: string | null | undefined, state: string | null | undefined): boolean {
  return typeof record === "string" && !hasEnded(state);
}

/** Members of `waiting` that may name the id: the one of its entry, and those of the suspicion. */
function membersOf(id: string, entry: string | undefined, fields: readonly string[]): readonly string[] {
  const own = entry === undefined ? [] : [waitingMember(id, entry)];
  return [...new Set([...own, ...fields.filter((field) => waitingPlace(field)?.id === id)])];
}

function scoreOf(score: string | null | undefined): number | undefined {
  return score === null || score === undefined ? undefined : Number(score);
}

/** The states of the runs whose steps have no entry at the gate, which only records name. */
async function withRuns(reader: ShardReader, all: readonly JobFacts[]): Promise<readonly JobFacts[]> {
  const runOf = ({ record, entry }: JobFacts): string | undefined =>
    record.kind === "job" && entry === undefined ? record.options.run : undefined;
  const runs = [...new Set(all.flatMap((facts) => runOf(facts) ?? []))];
  if (runs.length === 0) return all;
  const fields = [...runs, ...runs.map(runFields.state)];
  const values = await reader.read((redis) => redis.hmget(reader.keys.workflows, ...fields));
  const halted = new Set(
    runs.filter((_run, index) => values[index] === null || values[runs.length + index] !== null),
  );
  return all.map((facts) => ({ ...facts, ofHaltedRun: halted.has(runOf(facts) ?? "") }));
}

/** The keys that these jobs may own: those named by their records, and those of the suspicion. */
async function withKeys(
  reader: ShardReader,
  all: readonly JobFacts[],
  suspected: Suspects,
): Promise<readonly JobFacts[]> {
  const wanted = all.flatMap(({ id, record }) => {
    const own = record.kind === "job" ? record.options.key : undefined;
    const fields = new Set([...(suspected.get(id) ?? []), ...(own === undefined ? [] : [own])]);
    return [...fields].map((field) => ({ id, field }));
  });
  if (wanted.length === 0) return all;
  const { keys, keysExpiry } = reader.keys;
  const fields = wanted.map(({ field }) => field);
  const [owners, ends] = await reader.together<(string | null)[]>((reads) =>
    reads.hmget(keys, ...fields).zmscore(keysExpiry, ...fields),
  );
  const owned = new Map<string, KeyFacts[]>();
  for (const [index, { id, field }] of wanted.entries()) {
    if (owners![index] !== id) continue;
    owned.set(id, [...(owned.get(id) ?? []), { field, ends: ends![index] !== null }]);
  }
  return all.map((facts) => ({ ...facts, keys: owned.get(facts.id) ?? [] }));
}
