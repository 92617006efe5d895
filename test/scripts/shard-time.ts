// Time that passes for rates: Redis holds the clock, so what is stored moves into the past instead.
import type { ShardBench } from "./shard-bench.js";

/** Moves every time that the gate has stored so far into the past. */
export async function timePasses(bench: ShardBench, ms: number): Promise<void> {
  const { redis, keys } = bench;
  for (const [field, text] of Object.entries(await redis.hgetall(keys.groups))) {
    const [held, reserved, total, last, first, ...parts] = text.split(" ");
    if (!field.includes(" ") || parts.length === 0) continue;
    const moved = [held, reserved, total, Number(last) - ms, Number(first) - ms, ...parts].join(" ");
    await redis.hset(keys.groups, field, moved);
  }
  for (const member of await redis.zrange(keys.waiting, 0, "-1")) {
    const moved = member.replace(/^(\r|\n[^\n]+\n)(\d{16})\n/, (_all, start: string, at: string) => {
      return `${start}${String(Number(at) - ms).padStart(16, "0")}\n`;
    });
    if (moved !== member) await redis.multi().zrem(keys.waiting, member).zadd(keys.waiting, 0, moved).exec();
  }
}
