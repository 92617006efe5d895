/**
 * What a Redis must be for the promises to hold. Read from INFO alone: CONFIG is often forbidden. Fail closed, because a
 * server that evicts keys loses jobs without anybody noticing.
 */
import type { Redis } from "ioredis";
import { TaskweftError } from "../errors.js";
import type { ShardKeys } from "../protocol/index.js";
import { toTaskweftError } from "./reply-errors.js";

/** Version of the keys, records and scripts; stands in `meta`. */
export const PROTOCOL_VERSION = 1;

export interface ServerFacts {
  readonly product: "redis" | "valkey";
  readonly version: string;
  /** `undefined` where the server does not tell. */
  readonly maxmemoryPolicy: string | undefined;
  readonly appendOnly: boolean;
  readonly usedMemoryBytes: number;
  readonly maxmemoryBytes: number;
}

export async function readServerFacts(redis: Redis): Promise<ServerFacts> {
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

/** What stands in the way of the promises; empty when nothing does. */
export function unsuitableReasons(facts: ServerFacts): string[] {
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
 * @throws TaskweftError `RedisUnsuitable` when the server cannot keep the promises, `ProtocolUnknown` when a newer
 * taskweft wrote what it holds.
 */
export async function assertSuitable(redis: Redis, keys: ShardKeys): Promise<void> {
  try {
    const reasons = unsuitableReasons(await readServerFacts(redis));
    if (reasons.length > 0) throw new TaskweftError("RedisUnsuitable", reasons.join("\n"));
    assertProtocol(await storedProtocol(redis, keys));
  } catch (error) {
    throw toTaskweftError(error, "connect");
  }
}

/** The version that the shard is written in; writes ours where none stands. */
async function storedProtocol(redis: Redis, keys: ShardKeys): Promise<number> {
  await unlessFull(redis.hsetnx(keys.meta, "protocol", PROTOCOL_VERSION));
  return Number((await redis.hget(keys.meta, "protocol")) ?? PROTOCOL_VERSION);
}

/**
 * Lets a write be refused because Redis is out of memory: what only informs others must not keep a worker from starting
 * there, since nobody else could drain it.
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
