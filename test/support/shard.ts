// The whole of a shard at one moment, for assertions and for the checks of fsck.ts.
import type { Redis } from "ioredis";
import { ACTIVE_PAD_FIELD, type ShardKeys } from "../../runtime/protocol/index.js";

type Texts = Readonly<Record<string, string>>;
type Scores = Readonly<Record<string, number>>;

export interface Shard {
  /** Redis time of the reading (ms). */
  readonly nowMs: number;
  readonly jobs: Texts;
  readonly runs: Texts;
  /** Without the field that only pads the hash. */
  readonly active: Texts;
  readonly leases: Scores;
  readonly workers: Texts;
  readonly done: Scores;
  readonly dead: Scores;
  readonly keys: Texts;
  readonly keysExpiry: Scores;
  readonly events: Texts;
  readonly eventsExpiry: Scores;
  readonly cancels: readonly string[];
  readonly waits: Texts;
  readonly notes: Texts;
  readonly limited: Texts;
  readonly groups: Texts;
  /** Members in their order. */
  readonly waiting: readonly string[];
  readonly paused: Texts;
  readonly draining: string;
  readonly schedules: Texts;
  readonly workflows: Texts;
  readonly running: Scores;
  readonly ended: Scores;
  /** Members in their order. */
  readonly listeners: readonly string[];
  readonly listenersExpiry: Scores;
  readonly meta: Texts;
  /** When any worker was heard last; "" = never. */
  readonly swept: string;
  /** The purge that turns a pending list; "" = none. */
  readonly purging: string;
  readonly pending: Readonly<Record<string, readonly string[]>>;
  readonly due: Readonly<Record<string, Scores>>;
  readonly wake: Readonly<Record<string, readonly string[]>>;
  readonly sent: Texts;
  /** Keys of the shard's tag that belong to none of the above. */
  readonly strangers: readonly string[];
}

// One script, so that no move can fall between two reads. Only a test may walk the key space.
const READ_ALL = `
local readers = {
  string = function(key) return redis.call('GET', key) end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
}
local found = {}
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  found[#found + 1] = { key, readers[redis.call('TYPE', key).ok](key) }
end
local time = redis.call('TIME')
return { time[1], time[2], found }
`;

export async function readShard(redis: Redis, keys: ShardKeys): Promise<Shard> {
  const [seconds, micros, found] = (await redis.eval(READ_ALL, 0, `${keys.tag}:*`)) as [
    string,
    string,
    [string, string | string[]][],
  ];
  const content = new Map(found);
  const take = (key: string): string[] => {
    const value = content.get(key) ?? [];
    content.delete(key);
    return Array.isArray(value) ? value : [value];
  };
  const family = <Value>(kind: string, decode: (value: string[]) => Value): Record<string, Value> => {
    const start = `${keys.tag}:${kind}:`;
    const names = [...content.keys()].filter((key) => key.startsWith(start)).toSorted();
    return Object.fromEntries(names.map((key) => [key.slice(start.length), decode(take(key))]));
  };
  const active = texts(take(keys.active));
  delete active[ACTIVE_PAD_FIELD];
  return {
    nowMs: Number(seconds) * 1000 + Math.floor(Number(micros) / 1000),
    jobs: texts(take(keys.jobs)),
    runs: texts(take(keys.runs)),
    active,
    leases: scores(take(keys.leases)),
    workers: texts(take(keys.workers)),
    done: scores(take(keys.done)),
    dead: scores(take(keys.dead)),
    keys: texts(take(keys.keys)),
    keysExpiry: scores(take(keys.keysExpiry)),
    events: texts(take(keys.events)),
    eventsExpiry: scores(take(keys.eventsExpiry)),
    cancels: take(keys.cancels).toSorted(),
    waits: texts(take(keys.waits)),
    notes: texts(take(keys.notes)),
    limited: texts(take(keys.limited)),
    groups: texts(take(keys.groups)),
    waiting: Object.keys(scores(take(keys.waiting))),
    paused: texts(take(keys.paused)),
    schedules: texts(take(keys.schedules)),
    workflows: texts(take(keys.workflows)),
    running: scores(take(keys.running)),
    ended: scores(take(keys.ended)),
    listeners: Object.keys(scores(take(keys.listeners))),
    listenersExpiry: scores(take(keys.listenersExpiry)),
    meta: texts(take(keys.meta)),
    swept: take(keys.swept)[0] ?? "",
    purging: take(keys.purging)[0] ?? "",
    draining: take(keys.draining)[0] ?? "",
    pending: family("pending", (ids) => ids),
    due: family("due", scores),
    wake: family("wake", (hints) => hints),
    sent: family("sent", (value) => value[0] ?? ""),
    strangers: [...content.keys()].toSorted(),
  };
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_unused, i) => [flat[2 * i] ?? "", flat[2 * i + 1] ?? ""]);
}

function texts(flat: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs(flat));
}

function scores(flat: readonly string[]): Record<string, number> {
  return Object.fromEntries(pairs(flat).map(([member, score]) => [member, Number(score)]));
}
