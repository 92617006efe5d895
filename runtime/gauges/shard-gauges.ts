/**
 * The gauges of one shard. They take three round trips with a few commands per queue, each of which reads one
 * number or one job however long the backlog is; two more if the front id of a list is a hole.
 */
import type { Connection } from "../connection/index.js";
import {
  ACTIVE_PAD_FIELD,
  idTime,
  parseRecord,
  parseRun,
  type ShardKeys,
  waitingField,
} from "../protocol/index.js";
import { firstInLine } from "./line.js";
import { declaredQueues, type Redis, replies } from "./replies.js";

export interface QueueGauges {
  readonly name: string;
  readonly pending: number;
  readonly scheduled: number;
  /** Longest time that the first job in line has been ready to start (ms); 0 if no job is in line. */
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
  /** Absent if the server refuses INFO. */
  readonly memory?: { readonly used: number; readonly max: number };
}

/**
 * `known`: names of queues that exist whatever Redis says.
 * @throws TaskweftError `RedisUnavailable`, `RedisRefused`.
 */
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
    const ages = await firstInLine(
      connection,
      keys,
      lines.map(({ front }) => front),
      (id, record, run) => {
        const since = startableSince(id, record, run, whole.now);
        return since === undefined ? undefined : Math.max(0, whole.now - since);
      },
    );
    const { active, dead, runs, paused } = whole;
    const queues = lines.map(({ front: _front, ...line }, index) => ({
      ...line,
      oldestPendingMs: ages[index] ?? 0,
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
    throw connection.failure(error, "inspect");
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
  // Paused tasks are in the same set; queue names contain no colon.
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

/** Ids read from the front of a list: some are holes of jobs that were cancelled or deleted. */
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

/**
 * The earliest time from which the job could have started: its creation or due time, or the last event of its
 * history; `undefined` if unknown.
 */
function startableSince(id: string, record: string, run: string | null, now: number): number | undefined {
  try {
    const { events } = parseRun(run);
    const last = events.at(-1);
    // The job rested until this time; if an event woke it earlier, it may have been in line since it began to
    // rest.
    if (last?.[1] === "slept" || last?.[1] === "waited") return last[2] <= now ? last[2] : last[0];
    if (last !== undefined) return last[0];
    const options = parseRecord(record)?.options;
    if (options === undefined || options.later === 1) return undefined;
    const { at = idTime(id), dueAt, delayMs = 0 } = options;
    return dueAt ?? (at === undefined ? undefined : at + delayMs);
  } catch {
    return undefined;
  }
}

/** Some servers refuse INFO to this user; the other gauges do not need it. */
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
