/** Asking a server that the user named whether it can be used, before anything is started against it. */
import type { Redis, RedisOptions } from "ioredis";
import { parseRedisAddress, REDIS_URL_EXPECTED } from "../../runtime/config/index.js";
import { TaskweftError } from "../../runtime/errors.js";
import { CliError, codeOf, messageOf } from "../errors.js";
import { EXIT } from "../exit-codes.js";
import { maskUrls } from "../output/mask.js";
import { MINIMUM_VERSIONS, parseServerInfo, type ServerInfo } from "./server-info.js";

const CONNECT_WAIT_MS = 5000;

/** @param prefix where a Cluster has its keys. @param shard of them, the one to ask. @throws CliError when nobody answers, the password is wrong, or the server is too old. */
export async function reachRedis(url: string, prefix?: string, shard = 0): Promise<ServerInfo> {
  const { openServer } = await import("../../runtime/inspect/index.js");
  return await withServer(url, (address, options) => openServer(address, prefix, options, shard), readInfo);
}

/**
 * How many shards there are. `said`: what the configuration says of it.
 * @throws CliError as `reachRedis`, TaskweftError `ShardsDiffer`.
 */
export async function reachShards(url: string, prefix: string, said?: number): Promise<number> {
  return (await reach(url, prefix, said)).shards;
}

/**
 * The same for a command that is about to write through the project's own client, which waits for a primary to come back as producers do.
 * @throws CliError also for a server that is a replica.
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

async function withServer<Reply>(
  url: string,
  open: Open,
  use: (redis: Redis, url: string) => Promise<Reply>,
): Promise<Reply> {
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

/** The address itself, when it is one: ioredis takes any text for a host name or a socket path. */
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

/** The error that people see when Redis does not answer: where, why, and what to look at. */
export function unreachable(url: string, error: unknown): CliError {
  const message = maskUrls(messageOf(error));
  return new CliError("RedisUnavailable", `cannot use Redis at ${maskUrls(url)}: ${message}`, {
    exitCode: EXIT.redisUnreachable,
    fix: adviceFor(codeOf(error), message),
    cause: error,
  });
}

function adviceFor(code: string | undefined, message: string): string {
  if (code === "ECONNREFUSED")
    return "nothing listens there: start it, or correct TASKWEFT_REDIS_URL or --redis-url";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN")
    return "that host name is not known here: check its spelling and the DNS";
  if (/NOAUTH|WRONGPASS|NOPERM/.test(message))
    return "put user and password into the address: redis://user:password@host:port";
  if (/wrong version number|SSL|TLS|certificate/i.test(message))
    return "rediss:// speaks TLS and redis:// does not: check which one the server wants";
  return "check the address, the network and the server's log";
}
