/** The workers of a shard: whether they are alive, and what they hold. */
import type { ShardReader } from "./shard-reader.js";
import type { WorkerSummary } from "./types.js";

export async function listWorkers(reader: ShardReader): Promise<readonly WorkerSummary[]> {
  const { leases, workers, active } = reader.keys;
  const [scores, about, owners, now] = await Promise.all([
    reader.read((redis) => redis.zrange(leases, 0, "-1", "WITHSCORES")),
    reader.read((redis) => redis.hgetall(workers)),
    reader.read((redis) => redis.hvals(active)),
    reader.now(),
  ]);
  const held = new Map<string, number>();
  for (const owner of owners) held.set(owner, (held.get(owner) ?? 0) + 1);
  const result: WorkerSummary[] = [];
  for (let index = 0; index < scores.length; index += 2) {
    const name = scores[index]!;
    const leaseEndsAt = Number(scores[index + 1]);
    result.push({
      name,
      leaseEndsAt,
      alive: leaseEndsAt > now,
      active: held.get(name) ?? 0,
      about: parseAbout(about[name]),
    });
  }
  return result.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** What cannot be read of one worker must not hide the others. */
function parseAbout(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = text === undefined ? undefined : JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
