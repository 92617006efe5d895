/**
 * The requirements on a Redis server. They are read from INFO alone, because CONFIG is often forbidden. An
 * unsuitable server is refused: a server that evicts keys would lose jobs without anybody noticing.
 */
import type { Redis } from "ioredis";
import { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import { toTaskweftError } from "./reply-errors.js";

/** Version of the keys, records and scripts; stored in `meta`. */
export const PROTOCOL_VERSION = 1;

export interface ServerFacts {
  readonly product: "redis" | "valkey";
  readonly version: string;
  /** `undefined` when the server does not report it. */
  readonly maxmemoryPolicy: string | undefined;
  readonly appendOnly: boolean;
  readonly usedMemoryBytes: number;
  readonly maxmemoryBytes: number;
}

async function readServerFacts(redis: Redis): Promise<ServerFacts> {
  const info = new Map<string, string>();
  for (const line of (await redis.info()).split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) info.set(line.slice(0, colon), line.slice(colon + 1));
  }
  const valkey = info.get("valkey_version");
  return {
    product: valkey === undefined ? "redis" : "valkey",
    version: valkey ?? info.get("redis_version") ?? "0",
    maxmemoryPolicy: info.get("maxmemory_policy"),
    appendOnly: info.get("aof_enabled") === "1",
    usedMemoryBytes: Number(info.get("used_memory") ?? 0),
    maxmemoryBytes: Number(info.get("maxmemory") ?? 0),
  };
}

/** Why the server cannot be used; empty when it can. */
function unsuitableReasons(facts: ServerFacts): string[] {
  const reasons: string[] = [];
  const [major = 0, minor = 0] = facts.version.split(".").map(Number);
  const [needMajor, needMinor] = facts.product === "valkey" ? [7, 2] : [7, 0];
  if (major < needMajor || (major === needMajor && minor < needMinor)) {
    reasons.push(
      `${facts.product} ${facts.version} is too old: expected Redis >= 7.0 or Valkey >= 7.2. Upgrade the server.`,
    );
  }
  if (facts.maxmemoryPolicy !== undefined && facts.maxmemoryPolicy !== "noeviction") {
    reasons.push(
      `maxmemory-policy is ${facts.maxmemoryPolicy}: expected noeviction, because eviction deletes jobs without a trace. Run: CONFIG SET maxmemory-policy noeviction`,
    );
  }
  return reasons;
}

/**
 * @param shards how many shards the caller expects.
 * @throws TaskweftError `RedisUnsuitable` when the server does not meet the requirements, `ProtocolUnknown`
 * when a newer taskweft wrote its data, `ShardsDiffer` when it is divided into another number of shards.
 */
export async function assertSuitable(redis: Redis, keys: ShardKeys, shards = 1): Promise<void> {
  try {
    const reasons = unsuitableReasons(await readServerFacts(redis));
    if (reasons.length > 0) throw new TaskweftError("RedisUnsuitable", reasons.join("\n"));
    await joinShard(redis, keys, shards);
  } catch (error) {
    throw toTaskweftError(error, "connect");
  }
}

/**
 * Agrees with the shard on the protocol and the number of shards; the first process that connects sets both.
 * With another number, the same key would lead to another shard and make a second job.
 * @throws TaskweftError `ProtocolUnknown`, `ShardsDiffer`.
 */
export async function joinShard(redis: Redis, { meta }: ShardKeys, shards: number): Promise<void> {
  try {
    // One round trip: a connection keeps the order of commands, so each need not await the one before.
    const [, , [protocol, stored]] = await Promise.all([
      unlessFull(redis.hsetnx(meta, "protocol", PROTOCOL_VERSION)),
      unlessFull(redis.hsetnx(meta, "shards", shards)),
      redis.hmget(meta, "protocol", "shards") as Promise<[string | null, string | null]>,
    ]);
    assertProtocol(Number(protocol ?? PROTOCOL_VERSION));
    assertShards(Number(stored ?? shards), shards);
  } catch (error) {
    throw toTaskweftError(error, "connect");
  }
}

/** True when a process has used the shard before, so that the number of shards is stored in it. */
export async function isJoined(redis: Redis, { meta }: ShardKeys): Promise<boolean> {
  try {
    return (await redis.hexists(meta, "shards")) === 1;
  } catch (error) {
    throw toTaskweftError(error, "connect");
  }
}

/** @throws TaskweftError `ShardsDiffer` */
export function assertShards(stored: number, expected: number): void {
  if (stored === expected) return;
  const counted = (count: number): string => (count === 1 ? "1 shard" : `${count} shards`);
  throw new TaskweftError(
    "ShardsDiffer",
    `Redis holds ${counted(stored)} under this prefix, this process was told ${counted(expected)}. Set shards to ${stored} everywhere (TASKWEFT_SHARDS, or \`shards\` of connect() for producers), or take another prefix.`,
  );
}

/**
 * Tolerates that Redis refuses a write because it is out of memory. A write that only informs others must not
 * keep a worker from starting, because a full Redis can only be drained by workers.
 */
export async function unlessFull(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    const known = toTaskweftError(error, "connect");
    if (known.code !== "RedisFull") throw known;
  }
}

function assertProtocol(stored: number): void {
  if (stored !== PROTOCOL_VERSION) {
    throw new TaskweftError(
      "ProtocolUnknown",
      `Redis holds protocol ${stored}, this taskweft speaks ${PROTOCOL_VERSION}. Use the same taskweft version everywhere, or another prefix.`,
    );
  }
}
