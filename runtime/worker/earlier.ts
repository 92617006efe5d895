/** What an earlier tick of a schedule has made and the next one replaces: a job, or a run of a workflow, whatever the schedule makes by now. */
import { cancelRun, unlessEnded } from "../cancel.js";
import { DEFAULT_RETENTION } from "../definition/index.js";
import { type JobRecord, parseRecord } from "../protocol/index.js";
import { cancel } from "../scripts/index.js";
import type { TickPorts } from "./tick-target.js";

/** `keepMs`: of a job that does not say for how long it is kept. Done again, it changes nothing. */
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

/** Of a job that was deleted there is nothing to cancel; one that is spoiled dies when it is claimed, and must not hold its schedule up. */
function recordIn(text: string): JobRecord | undefined {
  try {
    return parseRecord(text);
  } catch {
    return undefined;
  }
}
