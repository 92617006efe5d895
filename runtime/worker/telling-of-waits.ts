import { type Connection, connectionErrorText } from "../connection/index.js";
import type { Logger } from "./handler.js";

/** How often a worker that starts without Redis logs that it waits (ms). */
const LOG_INTERVAL_MS = 3000;

/**
 * A worker may start before its Redis, or while the slot of its shard moves. The log says what it waits for,
 * because silence looks like a hang.
 */
export async function tellingOfWaits<Reply>(
  connection: Connection,
  logger: Logger,
  call: () => Promise<Reply>,
): Promise<Reply> {
  const timer = setInterval(() => {
    const { address, lastError = "no answer" } = connection;
    logger.warn("waiting for Redis", { url: address, error: connectionErrorText(lastError) });
  }, LOG_INTERVAL_MS);
  try {
    return await call();
  } finally {
    clearInterval(timer);
  }
}
