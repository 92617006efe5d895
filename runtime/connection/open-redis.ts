/**
 * Opens an ioredis connection to an address: always a single connection, to the server that has the shard.
 */
import { Redis, type RedisOptions } from "ioredis";
import { parseRedisAddress, REDIS_URL_EXPECTED, type RedisAddress } from "../config/redis-address.js";
import { TaskweftError } from "../errors.js";
import { clusterConnector } from "./cluster-connector.js";
import { databaseRefusal } from "./reply-errors.js";

/** Options of ioredis, without the one that changes the shape of replies. */
export type IoredisOptions = Omit<RedisOptions, "replyMapping">;

/** Longest pause between two attempts to reconnect (ms). */
const MAX_RECONNECT_DELAY_MS = 1000;
/**
 * Bounds connecting to one host (ms): a Sentinel or node that went down silently must not delay the search
 * for the new primary.
 */
const SEARCH_PATIENCE_MS = 2000;

/** The pause before the next attempt to connect (ms). */
export function reconnectDelay(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 8), MAX_RECONNECT_DELAY_MS);
}

/**
 * The ioredis options that follow from the address. They are plain values, so that they can be passed to a
 * thread.
 */
export function addressOptions(address: RedisAddress): Readonly<Record<string, unknown>> {
  if (address.kind === "server") return {};
  return {
    ...address.options,
    connectTimeout: SEARCH_PATIENCE_MS,
    ...(address.kind === "sentinel" ? { sentinelCommandTimeout: SEARCH_PATIENCE_MS } : {}),
  };
}

/**
 * @param tag hash tag of the shard, which decides the node of a Cluster; `undefined` where no Cluster is
 * expected.
 * @throws TaskweftError `OptionInvalid` for an invalid address.
 */
export function openRedis(url: string, tag: string | undefined, options: IoredisOptions): Redis {
  const redis = newRedis(url, tag, options);
  // When the requested database is refused, ioredis continues in database 0, where another system may live.
  // An error that is thrown here aborts the handshake: the waiting caller gets the error, nothing is sent,
  // and ioredis connects again.
  redis.on("error", (error: Error) => {
    const refusal = databaseRefusal(error);
    if (refusal !== undefined) throw refusal;
  });
  return redis;
}

function newRedis(url: string, tag: string | undefined, options: IoredisOptions): Redis {
  const address = checkedAddress(url);
  // Without this option, the search for the primary would follow another retry schedule than a lost
  // connection.
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
    // ioredis would treat an unknown scheme as the path of a socket, and an empty text as localhost.
    return parseRedisAddress(url);
  } catch (error) {
    throw urlInvalid(url, error);
  }
}

/** Node's error for a broken URL must not become the cause: it contains the whole URL, password included. */
function urlInvalid(url: string, error: unknown): TaskweftError {
  const reason = error instanceof Error ? error.message : String(error);
  return new TaskweftError(
    "OptionInvalid",
    `url: expected ${REDIS_URL_EXPECTED}, got ${maskUrl(url) || '""'} (${reason}). Write "/", "?" and "#" in a password as %2F, %3F and %23.`,
    { operation: "connect" },
  );
}

/**
 * The URL without user and passwords, for messages. A password may contain `@` and `/`, so everything up to
 * the last `@` is masked. In an address without a host the password stands where the port belongs, so a port
 * that is no number is masked too. All this also where the scheme was forgotten.
 */
export function maskUrl(url: string): string {
  return url
    .replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, "$1***@")
    .replace(/((?:^(?![a-z][a-z\d+.-]*:\/\/)|\/\/|,)[^:/?#,@[]*):(?!\d{1,5}(?:[,/?#]|$)).*/is, "$1:***")
    .replaceAll(/([?&]\w*password=)[^&]*/gi, "$1***");
}
