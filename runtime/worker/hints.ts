/**
 * Hints for queues that a worker does not serve. A script that lets somebody in has the keys of its own queues only; where the next of
 * a group is of another one, it leaves a note and names the queue, and the worker leaves the hint.
 */
import type { Connection } from "../connection/index.js";
import type { ShardKeys } from "../protocol/index.js";
import type { Logger } from "./handler.js";

/** Never rejects: a hint is only a hint, and the heartbeat of a worker that sleeps asks for work that it has not heard of. */
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
    logger.debug("a hint was not left; it is found later", { queues: queues.join(","), error });
  }
}

export interface HintPorts {
  readonly connection: Pick<Connection, "redis">;
  readonly keys: ShardKeys;
  readonly logger: Logger;
}
