/**
 * The reason why a pending job does not run yet: a limit, a pause of its task or queue, or the turn of
 * another key.
 */
import {
  NO_LIMIT,
  parseSlots,
  pausedTaskField,
  rateField,
  waitingMember,
  type JobRecord,
  type JobState,
} from "../protocol/index.js";
import type { ShardReader } from "./shard-reader.js";
import type { WaitReason } from "./types.js";

/**
 * `undefined` if the job does not wait at the gate. A job behind others of its group waits for the same
 * reason as they do.
 */
export async function readWait(
  reader: ShardReader,
  id: string,
  { queue, task }: JobRecord,
  state: JobState,
): Promise<WaitReason | undefined> {
  if (state !== "pending") return undefined;
  const { groups, limited, paused, waiting } = reader.keys;
  const [entry, pauses] = await reader.read((redis) =>
    Promise.all([redis.hget(limited, id), redis.hmget(paused, queue, pausedTaskField(task))]),
  );
  // A resumed task stays in this hash, with a value that begins with 0, while jobs of it are put aside.
  if (pauses.some((since) => typeof since === "string" && !since.startsWith("0"))) return "paused";
  if (entry === null) return undefined;
  const group = entry.split(" ").slice(2).join(" ");
  const owner = group.split(" ", 1)[0] ?? "";
  const [place, texts] = await reader.read((redis) =>
    Promise.all([
      redis.zscore(waiting, waitingMember(id, entry)),
      redis.hmget(groups, group, owner, rateField(owner)),
    ]),
  );
  const [slots, limit, rate] = texts;
  const { held, reserved } = parseSlots(slots);
  if (place === null) return undefined;
  if (typeof limit === "string" && held >= Number(limit)) return "concurrency";
  if (typeof rate !== "string" || rate === NO_LIMIT) return undefined;
  const [, per, turns] = rate.split(" ");
  return turns !== undefined && (reserved > 0 || per === "0") ? "fairness" : "rateLimit";
}
