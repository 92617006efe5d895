/**
 * Cancels the job or run of an earlier tick that the next tick replaces. The id decides which of both it is,
 * because the schedule may have had another target then.
 */
import { cancelRun, unlessEnded } from "../../cancel.js";
import { DEFAULT_RETENTION } from "../../definition/index.js";
import { type JobRecord, parseRecord } from "../../protocol/index.js";
import { cancel } from "../../scripts/index.js";
import type { TickPorts } from "./tick-target.js";

/** Repeating the call is harmless. @param keepMs retention of a job whose record does not say one. */
export async function cancelEarlier(
  { connection, keys }: Pick<TickPorts, "connection" | "keys">,
  id: string,
  keepMs = DEFAULT_RETENTION.deadMs,
): Promise<void> {
  if (id === "") return;
  const text = await connection.redis.hget(keys.jobs, id);
  if (text === null) return await unlessEnded(() => cancelRun(connection, keys, id));
  const record = recordIn(text);
  if (record === undefined) return;
  const { queue, options } = record;
  await cancel(connection, { keys, id, queue, keepMs: options.keepDeadMs ?? keepMs });
}

/**
 * `undefined` for a deleted job, which needs no cancel, and for a corrupt one: it dies when it is claimed,
 * and must not block its schedule.
 */
function recordIn(text: string): JobRecord | undefined {
  try {
    return parseRecord(text);
  } catch {
    return undefined;
  }
}
