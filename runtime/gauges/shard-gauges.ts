/**
 * What one shard says of itself in numbers. Three round trips, whose commands are as many as there are queues and each of which looks at
 * one number or one job, however much waits.
 */
import { type Connection, toTaskweftError } from "../connection/index.js";
import {
  ACTIVE_PAD_FIELD,
  idTime,
  parseRecord,
  parseRun,
  type ShardKeys,
  waitingField,
} from "../protocol/index.js";
import { declaredQueues, type Redis, replies } from "./replies.js";

export interface QueueGauges {
  readonly name: string;
  readonly pending: number;
  readonly scheduled: number;
  /** How long the first job in line could have started at most (ms); 0 when none is in line. */
  readonly oldestPendingMs: number;
  readonly paused: boolean;
}

export interface ShardGauges {
  readonly shard: number;
  readonly queues: readonly QueueGauges[];
  readonly active: number;
  readonly dead: number;
  readonly runs: number;
  readonly workers: number;
  /** Absent where the server refuses to tell. */
  readonly memory?: { readonly used: number; readonly max: number };
}

/** `known`: names of queues that are there whatever Redis says. @throws TaskweftError `RedisUnavailable`, `RedisRefused`. */
export async function readShardGauges(
  connection: Connection,
  keys: ShardKeys,
  known: readonly string[],
): Promise<ShardGauges> {
  try {
    const { redis } = connection;
    const [whole, memory] = await Promise.all([readWhole(redis, keys), readMemory(redis)]);
    const names = [...new Set([...known, ...whole.names])].toSorted();
    const [lines, workers] = await readLines(redis, keys, names, whole.now);
    const heads = await readHeads(
      redis,
      keys,
      lines.flatMap(({ front }) => front),
      whole.now,
    );
    const { active, dead, runs, paused } = whole;
    const queues = lines.map(({ front, ...line }) => ({
      ...line,
      oldestPendingMs: heads.get(front.find((id) => heads.has(id)) ?? "") ?? 0,
      paused: paused.has(line.name),
    }));
    return {
      shard: keys.shard,
      queues,
      active,
      dead,
      runs,
      workers,
      ...(memory === undefined ? {} : { memory }),
    };
  } catch (error) {
    throw toTaskweftError(error, "inspect");
  }
}

async function readWhole(redis: Redis, keys: ShardKeys) {
  const { meta, paused, active, dead, running } = keys;
  const [time, fields, pausedNames, held, isPadded, dying, runs] = await replies(
    redis
      .pipeline()
      .time()
      .hkeys(meta)
      .hkeys(paused)
      .hlen(active)
      .hexists(active, ACTIVE_PAD_FIELD)
      .zcard(dead)
      .zcard(running),
  );
  const [seconds, micros] = time as [string, string];
  // Paused tasks stand there too; names of queues hold no colon.
  const pausedQueues = (pausedNames as string[]).filter((name) => !name.includes(":"));
  return {
    now: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    names: [...declaredQueues(fields as string[]), ...pausedQueues],
    paused: new Set(pausedQueues),
    active: Number(held) - Number(isPadded),
    dead: Number(dying),
    runs: Number(runs),
  };
}

/** Ids read from the front of a list: some are of jobs that were cancelled or deleted, which stay there until a worker meets them. */
const FRONT = 20;

async function readLines(redis: Redis, keys: ShardKeys, names: readonly string[], now: number) {
  const pipeline = redis.pipeline().zcount(keys.leases, `(${now}`, "+inf");
  for (const name of names) {
    const { pending, due } = keys.queue(name);
    pipeline
      .llen(pending)
      .lrange(pending, 0, FRONT - 1)
      .hget(keys.groups, waitingField(name))
      .zcard(due);
  }
  const [workers, ...all] = await replies(pipeline);
  const lines = names.map((name, index) => {
    const [length, front, atGate, due] = all.slice(4 * index) as [number, string[], string | null, number];
    return {
      name,
      pending: length + Number(atGate ?? 0),
      scheduled: due,
      front,
    };
  });
  return [lines, Number(workers)] as const;
}

/** How long each of these jobs could have started at most (ms): since it was made or due, or since something happened to it last. */
async function readHeads(
  redis: Redis,
  keys: ShardKeys,
  ids: readonly string[],
  now: number,
): Promise<ReadonlyMap<string, number>> {
  if (ids.length === 0) return new Map();
  const [records, runs] = await replies(
    redis
      .pipeline()
      .hmget(keys.jobs, ...ids)
      .hmget(keys.runs, ...ids),
  );
  const ages = ids.flatMap((id, index): [string, number][] => {
    const record = (records as (string | null)[])[index];
    const since = startableSince(id, record ?? null, (runs as (string | null)[])[index] ?? null, now);
    return since === undefined ? [] : [[id, Math.max(0, now - since)]];
  });
  return new Map(ages);
}

/** `undefined` for what is no job, or cannot be read: whoever claims it says so. */
function startableSince(
  id: string,
  record: string | null,
  run: string | null,
  now: number,
): number | undefined {
  try {
    const { events, state } = parseRun(run);
    if (state === "cancelled") return undefined;
    const last = events.at(-1);
    // It rested until then; one that an event has woken before may have been in line since it began to rest.
    if (last?.[1] === "slept" || last?.[1] === "waited") return last[2] <= now ? last[2] : last[0];
    if (last !== undefined) return last[0];
    const options = record === null ? undefined : parseRecord(record)?.options;
    if (options === undefined || options.later === 1) return undefined;
    const { at = idTime(id), dueAt, delayMs = 0 } = options;
    return dueAt ?? (at === undefined ? undefined : at + delayMs);
  } catch {
    return undefined;
  }
}

/** Some servers refuse INFO to a user; all else is known without it. */
async function readMemory(redis: Redis): Promise<ShardGauges["memory"]> {
  let text: string;
  try {
    text = await redis.info("memory");
  } catch (error) {
    if (error instanceof Error && error.name === "ReplyError") return undefined;
    throw error;
  }
  const value = (field: string): number => Number(new RegExp(`^${field}:(\\d+)`, "m").exec(text)?.[1] ?? 0);
  return { used: value("used_memory"), max: value("maxmemory") };
}
