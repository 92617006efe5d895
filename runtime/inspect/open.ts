/** An inspector with a connection of its own, for programs that look, act and exit. */
import {
  assertShards,
  checkedAddress,
  Connection,
  type IoredisOptions,
  openRedis,
  redisUrl,
} from "../connection/index.js";
import { prefixOption, shardsOption } from "../option-values.js";
import { ShardKeys, ShardRouter } from "../protocol/index.js";
import { inspectShards } from "./over-shards.js";
import { createInspector, type Inspector, type InspectorOptions } from "./inspector.js";

export interface OpenInspectorOptions extends Omit<InspectorOptions, "connection" | "keys"> {
  /** As `ConnectionOptions.url`. Default: `TASKWEFT_REDIS_URL`, else `redis://127.0.0.1:6379`. */
  readonly url?: string;
  /** Prefix of every key. Default: `TASKWEFT_PREFIX`, else `weft`. */
  readonly prefix?: string;
  /** Number of shards. Default: `TASKWEFT_SHARDS`, else 1. */
  readonly shards?: number;
}

export interface OpenedInspector extends Inspector {
  /** Closes the connection. */
  close(): void;
}

/**
 * A person waits for the answer, so a command fails after this time instead of waiting for a server to come
 * back.
 */
const COMMAND_TIMEOUT_MS = 15_000;
const MAX_RECONNECTS = 3;
const RECONNECT_DELAY_MS = 100;

/**
 * The number of shards stored under the prefix; if nothing is stored, the stated number, or 1.
 * @throws TaskweftError `ShardsDiffer` if another number was stated.
 */
export async function findShards(
  redis: Connection["redis"],
  prefix: string,
  said: number | undefined,
): Promise<number> {
  const [protocol, shards] = await redis.hmget(new ShardKeys(prefix).meta, "protocol", "shards");
  if (protocol === null) return said ?? 1;
  const stored = Number(shards ?? 1);
  if (said !== undefined) assertShards(stored, said);
  return stored;
}

/**
 * A connection to the server with the keys of this prefix, or of one of its shards, for questions about the
 * server itself.
 * @throws TaskweftError `OptionInvalid`.
 */
export function openServer(
  url: string,
  prefix: string | undefined,
  options: IoredisOptions,
  shard = 0,
): Connection["redis"] {
  return openRedis(url, new ShardKeys(prefix, shard).tag, options);
}

/**
 * Connects on first use.
 * @throws TaskweftError `OptionInvalid` for an invalid prefix or number of shards.
 */
export function openInspector(options: OpenInspectorOptions = {}): OpenedInspector {
  const { url, prefix: saidPrefix, shards: saidShards, ...others } = options;
  const prefix = prefixOption(saidPrefix);
  const shards = shardsOption(saidShards);
  const redis = {
    commandTimeout: COMMAND_TIMEOUT_MS,
    maxRetriesPerRequest: MAX_RECONNECTS,
    retryStrategy: (times: number) => (times > MAX_RECONNECTS ? null : RECONNECT_DELAY_MS),
    // A single address always leads to the same replica, so reconnecting is pointless; Sentinel and Cluster
    // may find its primary.
    ...(checkedAddress(redisUrl({ url })).kind === "server" ? { reconnectOnError: () => false } : {}),
  };
  const router = new ShardRouter(shards);
  const opened = Array.from({ length: shards }, (_unused, shard) => {
    const keys = new ShardKeys(prefix, shard);
    const connection = new Connection({ url, redis }, "inspect", keys);
    return { connection, inspector: createInspector({ ...others, connection, keys, router }) };
  });
  const inspectors = opened.map(({ inspector }) => inspector);
  const [only] = inspectors;
  return {
    ...(shards === 1 ? only! : inspectShards(inspectors, router)),
    close: () => opened.forEach(({ connection }) => connection.disconnect()),
  };
}
