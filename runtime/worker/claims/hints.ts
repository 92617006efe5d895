/**
 * Leaves hints for queues that a worker does not serve. A script has only the keys of its own queues. When
 * the next job of a group belongs to another queue, the script leaves a note and names that queue, and the
 * worker leaves the hint.
 */
import type { Connection } from "../../connection/index.js";
import type { ShardKeys } from "../../protocol/index.js";
import type { Logger } from "../handler.js";

/**
 * Never rejects: a lost hint only delays a job, because the heartbeats of sleeping workers ask for work that
 * they have not heard of.
 */
export async function leaveHints(
  { connection, keys, logger }: HintPorts,
  queues: readonly string[],
): Promise<void> {
  const leaving = connection.redis.multi();
  for (const queue of queues) {
    const { wake } = keys.queue(queue);
    leaving.lpush(wake, "1").ltrim(wake, 0, 0);
  }
  try {
    await leaving.exec();
  } catch (error) {
    logger.debug("leaving a hint failed; a heartbeat will find the job", { queues: queues.join(","), error });
  }
}

export interface HintPorts {
  readonly connection: Pick<Connection, "redis">;
  readonly keys: ShardKeys;
  readonly logger: Logger;
}
