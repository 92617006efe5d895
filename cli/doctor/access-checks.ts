/**
 * Checks with ACL DRYRUN, which executes nothing, whether the Redis user may run all commands that producers,
 * workers and tools need.
 */
import type { Redis } from "ioredis";
import { messageOf } from "../errors.js";
import { ok, problem, type Finding } from "./finding.js";

/** Placeholders for a key and a channel of the shard. */
const KEY = "KEY";
const CHANNEL = "CHANNEL";

/**
 * Every command that the runtime and its scripts use, with arguments that pass the server's check.
 * Alphabetical.
 */
export const NEEDED_COMMANDS: readonly (readonly [command: string, ...args: string[]])[] = [
  ["BLPOP", KEY, "1"],
  ["DEL", KEY],
  ["EVAL", "return 1", "1", KEY],
  ["EVALSHA", "0".repeat(40), "1", KEY],
  ["EXISTS", KEY],
  ["GET", KEY],
  ["GETEX", KEY],
  ["HDEL", KEY, "f"],
  ["HEXISTS", KEY, "f"],
  ["HGET", KEY, "f"],
  ["HGETALL", KEY],
  ["HINCRBY", KEY, "f", "1"],
  ["HKEYS", KEY],
  ["HLEN", KEY],
  ["HMGET", KEY, "f"],
  ["HRANDFIELD", KEY],
  ["HSCAN", KEY, "0"],
  ["HSET", KEY, "f", "v"],
  ["HSETNX", KEY, "f", "v"],
  ["HSTRLEN", KEY, "f"],
  ["HVALS", KEY],
  ["INFO"],
  ["LINDEX", KEY, "0"],
  ["LLEN", KEY],
  ["LPOP", KEY],
  ["LPOS", KEY, "v"],
  ["LPUSH", KEY, "v"],
  ["LRANGE", KEY, "0", "1"],
  ["LREM", KEY, "1", "v"],
  ["LTRIM", KEY, "0", "1"],
  ["MGET", KEY],
  ["PING"],
  ["PUBLISH", CHANNEL, "v"],
  ["RPUSH", KEY, "v"],
  ["SADD", KEY, "v"],
  ["SCAN", "0"],
  ["SET", KEY, "v"],
  ["SISMEMBER", KEY, "v"],
  ["SMEMBERS", KEY],
  ["SMISMEMBER", KEY, "v"],
  ["SREM", KEY, "v"],
  ["SSCAN", KEY, "0"],
  ["SUBSCRIBE", CHANNEL],
  ["TIME"],
  ["TYPE", KEY],
  ["WAIT", "0", "1"],
  ["ZADD", KEY, "1", "v"],
  ["ZCARD", KEY],
  ["ZCOUNT", KEY, "0", "1"],
  ["ZLEXCOUNT", KEY, "-", "+"],
  ["ZMSCORE", KEY, "v"],
  ["ZRANGE", KEY, "0", "1"],
  ["ZRANGEBYLEX", KEY, "-", "+"],
  ["ZRANGEBYSCORE", KEY, "0", "1"],
  ["ZREM", KEY, "v"],
  ["ZREVRANGEBYSCORE", KEY, "1", "0"],
  ["ZREVRANK", KEY, "v"],
  ["ZSCAN", KEY, "0"],
  ["ZSCORE", KEY, "v"],
];

/** `tag` is the prefix of every key of the shard. */
export async function checkAccess(redis: Redis, tag: string): Promise<Finding> {
  const user = await answer(() => redis.acl("WHOAMI"));
  if (typeof user !== "string") return ok("TW-D28", "rights: the server does not tell what this user may do");
  const concrete = new Map([
    [KEY, `${tag}:jobs`],
    [CHANNEL, `${tag}:finished:doctor`],
  ]);
  const replies = await Promise.all(
    NEEDED_COMMANDS.map(([command, ...args]) =>
      answer(() =>
        redis.call("ACL", "DRYRUN", user, command, ...args.map((arg) => concrete.get(arg) ?? arg)),
      ),
    ),
  );
  if (replies.every((reply) => reply === undefined))
    return ok("TW-D28", `rights: the server does not tell what the user ${user} may do`);
  return accessFinding(user, tag, replies);
}

/**
 * `replies`: the replies of ACL DRYRUN in the order of the commands: `OK`, the refusal, or `undefined`
 * without an answer.
 */
export function accessFinding(user: string, tag: string, replies: readonly unknown[]): Finding {
  const refused = NEEDED_COMMANDS.flatMap(([command], index) => {
    const reply = replies[index];
    return typeof reply === "string" && reply !== "OK" ? [command] : [];
  });
  if (refused.length === 0) return ok("TW-D28", `the user ${user} may do all that is needed`);
  return problem("TW-D28", "error", `the user ${user} may not use ${refused.join(", ")} on ${tag}`, {
    why: "workers and producers are refused with NOPERM, some of them only when a job fails or waits",
    fix: `run: redis-cli ACL SETUSER ${user} '~${tag}:*' '&${tag}:finished:*' ${refused.map((command) => `+${command.toLowerCase()}`).join(" ")}`,
  });
}

/** `undefined` if the server refuses the question, as managed servers often do. */
async function answer(ask: () => Promise<unknown>): Promise<unknown> {
  try {
    return await ask();
  } catch (error) {
    if (/^(?:NOPERM|ERR)/.test(messageOf(error))) return undefined;
    throw error;
  }
}
