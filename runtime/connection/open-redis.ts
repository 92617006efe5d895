/** Opens a connection of ioredis to what an address names: always one connection, to the server that has the shard. */
import { Redis, type RedisOptions } from "ioredis";
import { parseRedisAddress, REDIS_URL_EXPECTED, type RedisAddress } from "../config/redis-address.js";
import { TaskweftError } from "../errors.js";
import { clusterConnector } from "./cluster-connector.js";
import { databaseRefusal } from "./reply-errors.js";

/** Options of ioredis, without the one that changes the shape of replies. */
export type IoredisOptions = Omit<RedisOptions, "replyMapping">;

/** Longest pause between two attempts to reconnect, in milliseconds. */
const MAX_RECONNECT_DELAY_MS = 1000;
/** A Sentinel or a node that is gone without a word must not hold up the search for the one that took over (ms). */
const SEARCH_PATIENCE_MS = 2000;

/** The pause before another attempt to connect. */
export function reconnectDelay(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 8), MAX_RECONNECT_DELAY_MS);
}

/** What a connection gets from the address; plain values, so that a thread can be given them. */
export function addressOptions(address: RedisAddress): Readonly<Record<string, unknown>> {
  if (address.kind === "server") return {};
  return {
    ...address.options,
    connectTimeout: SEARCH_PATIENCE_MS,
    ...(address.kind === "sentinel" ? { sentinelCommandTimeout: SEARCH_PATIENCE_MS } : {}),
  };
}

/**
 * @param tag hash tag of the shard: a Cluster has it on one node. `undefined` where no Cluster is expected.
 * @throws TaskweftError `OptionInvalid` for an address that is none.
 */
export function openRedis(url: string, tag: string | undefined, options: IoredisOptions): Redis {
  const redis = newRedis(url, tag, options);
  // ioredis goes on in database 0 when the one that it asks for is refused, and another system may live there. What is thrown here ends the
  // handshake: whoever waits for the connection is told, nothing is sent, and it is tried again.
  redis.on("error", (error: Error) => {
    const refusal = databaseRefusal(error);
    if (refusal !== undefined) throw refusal;
  });
  return redis;
}

function newRedis(url: string, tag: string | undefined, options: IoredisOptions): Redis {
  const address = checkedAddress(url);
  // Without it a search for the primary would go on by other rules than a lost connection.
  const search = { sentinelRetryStrategy: options.retryStrategy ?? reconnectDelay };
  const all = { ...search, ...addressOptions(address), ...options };
  try {
    if (address.kind === "server") return new Redis(address.url, options);
    if (address.kind === "sentinel") return new Redis(all);
    if (tag === undefined) throw new Error("no Cluster was expected here");
    return new Redis({ Connector: clusterConnector(address.hosts, tag), ...all });
  } catch (error) {
    throw urlInvalid(url, error);
  }
}

/** @throws TaskweftError `OptionInvalid` */
export function checkedAddress(url: string): RedisAddress {
  try {
    // ioredis takes what has another scheme, or nothing, for a socket's path or for localhost.
    return parseRedisAddress(url);
  } catch (error) {
    throw urlInvalid(url, error);
  }
}

/** The error itself is no cause: Node's error for a broken URL carries the whole URL, password included. */
function urlInvalid(url: string, error: unknown): TaskweftError {
  const reason = error instanceof Error ? error.message : String(error);
  return new TaskweftError(
    "OptionInvalid",
    `url: expected ${REDIS_URL_EXPECTED}, got ${maskUrl(url) || '""'} (${reason}). Write "/", "?" and "#" in a password as %2F, %3F and %23.`,
    { operation: "connect" },
  );
}

/**
 * The URL without user and passwords, for messages. A password may hold `@` and `/`, so all up to the last `@` goes; and so does what
 * stands in the place of a port and is none, in an address that lacks its host.
 */
export function maskUrl(url: string): string {
  return url
    .replace(/\/\/.*@/, "//***@")
    .replace(/((?:\/\/|,)[^:/?#,@[]*):(?!\d{1,5}(?:[,/?#]|$)).*/s, "$1:***")
    .replaceAll(/([?&]\w*password=)[^&]*/gi, "$1***");
}
