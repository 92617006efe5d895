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
  try {
    const lists = queues.map((queue) => keys.queue(queue).wake);
    await connection.together(() => Promise.all(lists.map((list) => leaveHint(connection, list))));
  } catch (error) {
    logger.debug("leaving a hint failed; a heartbeat will find the job", { queues: queues.join(","), error });
  }
}

/**
 * Leaves one hint in a wake list. Not in a transaction, which a node that loses the slot would discard; single
 * commands are sent again to the node that has it.
 */
export async function leaveHint({ redis }: Pick<Connection, "redis">, list: string): Promise<void> {
  await Promise.all([redis.lpush(list, "1"), redis.ltrim(list, 0, 0)]);
}

export interface HintPorts {
  readonly connection: Pick<Connection, "redis" | "together">;
  readonly keys: ShardKeys;
  readonly logger: Logger;
}
