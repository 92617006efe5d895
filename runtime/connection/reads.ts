/**
 * Read commands whose replies belong together, executed at one moment. They run in a script, because MULTI
 * does not work at the memory limit: Redis then refuses every command in a transaction, even reads, and that
 * is when people most need to look.
 */
import type { Redis } from "ioredis";

/** Lua unpacks at most about 8,000 values; commands with more of them reply with a value for each. */
const SCRIPT = `#!lua flags=no-writes
local function ask(command, key, from, to)
  if to - from < 4000 then
    return redis.call(command, key, unpack(ARGV, from, to))
  end
  local all = {}
  for at = from, to, 4000 do
    for _, value in ipairs(ask(command, key, at, math.min(at + 3999, to))) do
      all[#all + 1] = value
    end
  end
  return all
end
local replies, at = {}, 1
for i, key in ipairs(KEYS) do
  local last = at + 1 + tonumber(ARGV[at + 1])
  if ARGV[at] == 'TIME' then
    replies[i] = redis.call('TIME')
  else
    replies[i] = ask(ARGV[at], key, at + 2, last)
  end
  at = last + 1
end
return replies`;

type Argument = string | number;

/** Collects read commands of one shard; the raw replies come in the order of the calls. */
export class Reads {
  readonly #keys: string[] = [];
  readonly #args: Argument[] = [];

  /**
   * Redis time: seconds and microseconds.
   * @param key any key of the shard, which determines the node of a Cluster.
   */
  time(key: string): this {
    return this.#add("TIME", key, []);
  }

  get(key: string): this {
    return this.#add("GET", key, []);
  }

  hexists(key: string, field: string): this {
    return this.#add("HEXISTS", key, [field]);
  }

  hget(key: string, field: string): this {
    return this.#add("HGET", key, [field]);
  }

  /** Fields and values, alternating. */
  hgetall(key: string): this {
    return this.#add("HGETALL", key, []);
  }

  hkeys(key: string): this {
    return this.#add("HKEYS", key, []);
  }

  hmget(key: string, ...fields: readonly string[]): this {
    return this.#add("HMGET", key, fields);
  }

  hstrlen(key: string, field: string): this {
    return this.#add("HSTRLEN", key, [field]);
  }

  llen(key: string): this {
    return this.#add("LLEN", key, []);
  }

  lrange(key: string, start: number, stop: number): this {
    return this.#add("LRANGE", key, [start, stop]);
  }

  smismember(key: string, ...members: readonly string[]): this {
    return this.#add("SMISMEMBER", key, members);
  }

  zcard(key: string): this {
    return this.#add("ZCARD", key, []);
  }

  zmscore(key: string, ...members: readonly string[]): this {
    return this.#add("ZMSCORE", key, members);
  }

  zrange(key: string, start: number, stop: number, ...options: readonly ("REV" | "WITHSCORES")[]): this {
    return this.#add("ZRANGE", key, [start, stop, ...options]);
  }

  zscore(key: string, member: string): this {
    return this.#add("ZSCORE", key, [member]);
  }

  #add(command: string, key: string, args: readonly Argument[]): this {
    this.#keys.push(key);
    this.#args.push(command, args.length, ...args);
    return this;
  }

  async send(redis: Redis): Promise<unknown[]> {
    if (this.#keys.length === 0) return [];
    return (await redis.eval(SCRIPT, this.#keys.length, ...this.#keys, ...this.#args)) as unknown[];
  }
}
