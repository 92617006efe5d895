/** Checks that a server named by the user is usable before anything starts to use it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Redis, RedisOptions } from "ioredis";
import { parseRedisAddress, REDIS_URL_EXPECTED } from "../../runtime/config/index.js";
import { TaskweftError } from "../../runtime/errors.js";
import { CliError, codeOf, messageOf } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { maskUrls } from "../output/mask.js";
import { MINIMUM_VERSIONS, parseServerInfo, type ServerInfo } from "./server-info.js";

const CONNECT_WAIT_MS = 5000;
/** Longest wait for a shard whose slot moves to another server of the Cluster (ms). */
const MOVE_WAIT_MS = 10_000;
const MOVE_PAUSE_MS = 250;
const MOVES = /^(ASK|MOVED|TRYAGAIN)\b/;

/**
 * @param prefix Key prefix, which locates the shards of a Cluster.
 * @param shard The shard whose server is asked.
 * @throws CliError if the server does not answer, the password is wrong, or the server is too old.
 */
export async function reachRedis(url: string, prefix?: string, shard = 0): Promise<ServerInfo> {
  const { openServer } = await import("../../runtime/inspect/index.js");
  return await withServer(url, (address, options) => openServer(address, prefix, options, shard), readInfo);
}

/**
 * The number of shards. `said` is the number that the configuration states.
 * @throws CliError as `reachRedis`.
 * @throws TaskweftError `ShardsDiffer`.
 */
export async function reachShards(url: string, prefix: string, said?: number): Promise<number> {
  return (await reach(url, prefix, said)).shards;
}

/**
 * Like `reachShards`, for a command that will write through the project's client. That client waits for a
 * primary to come back, as producers do, so a replica must be reported here.
 * @throws CliError also if the server is a replica.
 */
export async function reachPrimary(url: string, prefix: string, said?: number): Promise<number> {
  const { info, shards } = await reach(url, prefix, said);
  const { fields } = info;
  if (fields.get("role") !== "slave" || fields.get("slave_read_only") === "0") return shards;
  throw new CliError(
    "RedisUnavailable",
    `Redis at ${maskUrls(url)} is a read-only replica: it refuses every write`,
    {
      exitCode: EXIT.redisUnreachable,
      fix: "use the address of its primary, or redis+sentinel://host:port/name, which finds the primary also after a failover",
    },
  );
}

async function reach(
  url: string,
  prefix: string,
  said: number | undefined,
): Promise<{ readonly info: ServerInfo; readonly shards: number }> {
  const { findShards, openServer } = await import("../../runtime/inspect/index.js");
  const open: Open = (address, options) => openServer(address, prefix, options);
  return await withServer(url, open, async (redis) => {
    const info = await readInfo(redis, url);
    return { info, shards: await findShards(redis, prefix, said) };
  });
}

type Open = (url: string, options: RedisOptions) => Redis;

type Use<Reply> = (redis: Redis, url: string) => Promise<Reply>;

/** While a slot moves, neither server has all of its keys; workers and producers wait for the end of that too. */
async function withServer<Reply>(url: string, open: Open, use: Use<Reply>): Promise<Reply> {
  const end = performance.now() + MOVE_WAIT_MS;
  for (;;) {
    try {
      return await tryServer(url, open, use);
    } catch (error) {
      const { cause } = error as { readonly cause?: unknown };
      if (!MOVES.test(messageOf(cause)) || performance.now() > end) throw error;
      await sleep(MOVE_PAUSE_MS);
    }
  }
}

async function tryServer<Reply>(url: string, open: Open, use: Use<Reply>): Promise<Reply> {
  const redis = open(checkedUrl(url), {
    lazyConnect: true,
    connectTimeout: CONNECT_WAIT_MS,
    commandTimeout: CONNECT_WAIT_MS,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let lastError: unknown;
  redis.on("error", (error: unknown) => (lastError = error));
  try {
    await redis.connect();
    return await use(redis, url);
  } catch (error) {
    if (error instanceof CliError || error instanceof TaskweftError) throw error;
    if (lastError instanceof TaskweftError) throw lastError;
    throw unreachable(url, lastError ?? error);
  } finally {
    // Of a connection that has ended already ioredis waits for the end, two seconds, and the process with it.
    if (redis.status !== "end") redis.disconnect();
  }
}

async function readInfo(redis: Redis, url: string): Promise<ServerInfo> {
  return checkedVersion(url, parseServerInfo(await redis.info()));
}

/** Returns the address if it is valid: ioredis would take any text for a host name or a socket path. */
export function checkedUrl(url: string): string {
  try {
    parseRedisAddress(url);
    return url;
  } catch (error) {
    throw new CliError(
      "RedisUrlInvalid",
      `expected ${REDIS_URL_EXPECTED}, got ${maskUrls(url)} (${messageOf(error)})`,
      {
        exitCode: EXIT.usage,
        fix: "correct --redis-url or TASKWEFT_REDIS_URL; in a password write / as %2F, @ as %40 and # as %23",
      },
    );
  }
}

function checkedVersion(url: string, info: ServerInfo): ServerInfo {
  if (info.supported) return info;
  const wanted = `${info.product} >= ${MINIMUM_VERSIONS[info.product]}`;
  throw new CliError("RedisUnsuitable", `expected ${wanted} at ${maskUrls(url)}, got ${info.version}`, {
    exitCode: EXIT.redisUnreachable,
    fix: "upgrade that server, or use another one",
  });
}

/** The error for a Redis that does not answer: the address, the reason and what to check. */
export function unreachable(url: string, error: unknown): CliError {
  const message = maskUrls(messageOf(error));
  return new CliError("RedisUnavailable", `cannot use Redis at ${maskUrls(url)}: ${message}`, {
    exitCode: EXIT.redisUnreachable,
    fix: adviceFor(url, codeOf(error), message),
    cause: error,
  });
}

function adviceFor(url: string, code: string | undefined, message: string): string {
  if (code === "ECONNREFUSED")
    return "nothing listens there: start it, or correct TASKWEFT_REDIS_URL or --redis-url";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return "that host name is not known here: check its spelling and the DNS";
  if (MOVES.test(message))
    return "this shard is moving to another server of the Cluster: run the command again when it has arrived";
  if (/NOAUTH|WRONGPASS|NOPERM/.test(message))
    return "put user and password into the address: redis://user:password@host:port";
  if (/certificate/i.test(message))
    return "the server's certificate is not trusted here, or is for another host name: use the name that it is for, and name the file of its authority in NODE_EXTRA_CA_CERTS";
  if (/wrong version number|SSL|TLS/i.test(message))
    return "rediss:// speaks TLS and redis:// does not: check which one the server wants";
  if (message.startsWith("Unknown RESP type"))
    return "something else than Redis answers there: check the port";
  if (/ECONNRESET|EPIPE|ETIMEDOUT|Connection is closed/.test(message))
    return /^rediss/i.test(url)
      ? "check the network and the server's log; if the server does not speak TLS, its address begins with redis://"
      : "check the network and the server's log; if the server speaks TLS, its address begins with rediss://";
  return "check the address, the network and the server's log";
}
