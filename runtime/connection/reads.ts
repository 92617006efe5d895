/**
 * Commands whose replies belong together, read at one moment. By a script, not MULTI: while Redis is at its memory limit it
 * refuses every command in a transaction, reads too, and that is when people most need to look.
 */
import type { Redis } from "ioredis";

const SCRIPT = `#!lua flags=no-writes
local replies, at = {}, 1
for i, key in ipairs(KEYS) do
  local last = at + 1 + tonumber(ARGV[at + 1])
  if ARGV[at] == 'TIME' then
    replies[i] = redis.call('TIME')
  else
    replies[i] = redis.call(ARGV[at], key, unpack(ARGV, at + 2, last))
  end
  at = last + 1
end
return replies`;

type Argument = string | number;

/** Collects read commands of one shard; replies come in the order of the calls, as Redis gives them. */
export class Reads {
  readonly #keys: string[] = [];
  readonly #args: Argument[] = [];

  /** The time of Redis: seconds and microseconds. `key`: any key of the shard, because a Cluster needs to know the node. */
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

  /** Fields and values, one after the other. */
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
