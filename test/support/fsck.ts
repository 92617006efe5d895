// Checks what must hold in a shard between any two scripts, whatever happened before. See docs/states.md.
import type { Redis } from "ioredis";
import {
  parseRecord,
  parseRun,
  parseSteps,
  TOMBSTONE,
  type JobRecord,
  type JobRun,
  type ShardKeys,
} from "../../runtime/protocol/index.js";
import { readShard, type Shard } from "./shard.js";

/** What is wrong with the shard, one line each; empty when nothing is. */
export async function fsck(redis: Redis, keys: ShardKeys): Promise<readonly string[]> {
  return problemsOf(await readShard(redis, keys));
}

/** @throws an error that lists every problem of the shard. */
export async function assertSound(redis: Redis, keys: ShardKeys): Promise<void> {
  const shard = await readShard(redis, keys);
  const problems = problemsOf(shard);
  if (problems.length === 0) return;
  const text = JSON.stringify(shard, undefined, 1).slice(0, 8000);
  throw new Error(`the shard ${keys.tag} is not sound:\n- ${problems.join("\n- ")}\n${text}`);
}

export function problemsOf(shard: Shard): readonly string[] {
  const places = placesOf(shard);
  const ids = new Set([...Object.keys(shard.jobs), ...Object.keys(shard.runs), ...places.keys()]);
  return [
    ...[...ids].flatMap((id) => jobProblems(shard, id, places.get(id) ?? [])),
    ...workerProblems(shard),
    ...keyProblems(shard),
    ...cancelAndWaitProblems(shard),
    ...noteProblems(shard),
    ...Object.entries(shard.wake)
      .filter(([, hints]) => hints.length > 1)
      .map(([queue, hints]) => `wake:${queue} holds ${hints.length} hints, expected at most one`),
    ...shard.strangers.map((key) => `no key of the protocol: ${key}`),
  ];
}

interface Place {
  readonly kind: "active" | "dead" | "done" | "due" | "pending";
  readonly queue?: string;
}

/** Where each id stands; an id that stands twice in one list has two places. */
function placesOf(shard: Shard): Map<string, Place[]> {
  const places = new Map<string, Place[]>();
  const add = (id: string, place: Place): void => {
    places.set(id, [...(places.get(id) ?? []), place]);
  };
  for (const kind of ["active", "dead", "done"] as const) {
    for (const id of Object.keys(shard[kind])) add(id, { kind });
  }
  for (const [queue, ids] of Object.entries(shard.pending)) {
    for (const id of ids) add(id, { kind: "pending", queue });
  }
  for (const [queue, due] of Object.entries(shard.due)) {
    for (const id of Object.keys(due)) add(id, { kind: "due", queue });
  }
  return places;
}

function jobProblems(shard: Shard, id: string, places: readonly Place[]): string[] {
  const kinds = places.map((place) => place.kind).toSorted();
  const at = kinds.length === 0 ? "nowhere" : kinds.join(" + ");
  const recordText = shard.jobs[id];
  if (recordText === undefined) {
    const run = shard.runs[id] === undefined ? "" : ", and its run is there";
    return [`job ${id} has no record, but stands ${at}${run}`];
  }
  if (recordText === TOMBSTONE) {
    return [
      ...(["active", "pending"].includes(at) ? [] : [`tombstone ${id} stands ${at}`]),
      ...(shard.runs[id] === undefined ? [] : [`tombstone ${id} has a run`]),
    ];
  }
  const record = recordOf(shard, id);
  const run = runOf(shard, id);
  if (record === undefined || run === undefined) return [`job ${id} has a text that cannot be read`];
  const problems = places
    .filter((place) => place.queue !== undefined && place.queue !== record.queue)
    .map((place) => `job ${id} of queue ${record.queue} stands in ${place.kind}:${place.queue}`);
  if (!allowedPlaces(run).includes(at)) {
    problems.push(
      `job ${id} (${run.state}, detail ${JSON.stringify(run.detail)}) stands ${at}, expected ${allowedPlaces(run).join(" or ")}`,
    );
  }
  return problems;
}

/** Kinds of places in alphabetical order, joined as `jobProblems` joins them. */
function allowedPlaces(run: JobRun): readonly string[] {
  if (run.state === "completed") return ["done"];
  if (run.state === "dead") return ["dead"];
  if (run.state !== "cancelled") return ["active", "due", "pending"];
  return run.detail === 1 ? ["active + done", "done + pending"] : ["done"];
}

function workerProblems(shard: Shard): string[] {
  const owners = new Set(Object.values(shard.active));
  return [
    ...[...owners]
      .filter((worker) => shard.leases[worker] === undefined)
      .map((worker) => `worker ${worker} holds jobs without a lease: nobody would take them back`),
    ...Object.keys(shard.workers)
      .filter((worker) => shard.leases[worker] === undefined)
      .map((worker) => `worker ${worker} is known but has no lease: nobody would forget it`),
  ];
}

function keyProblems(shard: Shard): string[] {
  return Object.entries(shard.keys).flatMap(([field, owner]) => {
    if (shard.keysExpiry[field] === undefined) return [`key ${field} has no end: it would never be freed`];
    const record = recordOf(shard, owner);
    // The job is gone and its key is kept for its ttl; its id may stand for another job by now.
    if (record?.options.key !== field) return [];
    const state = runOf(shard, owner)?.state;
    const free = (state === "dead" || state === "cancelled") && record.options.hold === undefined;
    return free ? [`key ${field} is still taken by job ${owner}, which is ${state}`] : [];
  });
}

function cancelAndWaitProblems(shard: Shard): string[] {
  const finished = (id: string): boolean => {
    const state = runOf(shard, id)?.state;
    return (
      recordOf(shard, id) === undefined || state === "completed" || state === "dead" || state === "cancelled"
    );
  };
  return [
    ...shard.cancels
      .filter((id) => shard.active[id] === undefined)
      .map((id) => `a cancel of job ${id} is asked for, which is not active`),
    ...Object.keys(shard.waits)
      .filter(finished)
      .map((id) => `clients wait for job ${id}, which has ended or is gone: nobody would tell them`),
  ];
}

function noteProblems(shard: Shard): string[] {
  return Object.entries(shard.notes).flatMap(([field, text]) => {
    const [id = "", kind] = field.split(" ");
    if (recordOf(shard, id) === undefined || runOf(shard, id)?.state === "completed") {
      return [`there are notes of job ${id}, which is gone or completed: nobody would remove them`];
    }
    const read = (): unknown => (kind === undefined ? parseSteps(text) : JSON.parse(text));
    return readable(read) === undefined ? [`notes of job ${id} cannot be read`] : [];
  });
}

function recordOf(shard: Shard, id: string): JobRecord | undefined {
  const text = shard.jobs[id];
  return text === undefined ? undefined : readable(() => parseRecord(text));
}

function runOf(shard: Shard, id: string): JobRun | undefined {
  return readable(() => parseRun(shard.runs[id] ?? null));
}

/** Unreadable texts are a finding of the check, not a failure of it. */
function readable<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
