import { assertSuitable, type Connection, connectionErrorText } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import type { Logger } from "./handler.js";

/** How often a worker that starts without Redis logs that it waits (ms). */
const LOG_INTERVAL_MS = 3000;

/** A worker may start before its Redis. The log says what it waits for, because silence looks like a hang. */
export async function waitForRedis(
  connection: Connection,
  keys: ShardKeys,
  shards: number,
  logger: Logger,
): Promise<void> {
  const timer = setInterval(() => {
    const { address, lastError = "no answer" } = connection;
    logger.warn("waiting for Redis", { url: address, error: connectionErrorText(lastError) });
  }, LOG_INTERVAL_MS);
  try {
    await assertSuitable(connection.redis, keys, shards);
  } finally {
    clearInterval(timer);
  }
}
