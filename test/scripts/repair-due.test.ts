// A repair of a job that has moved since it was looked at.
import { expect, test } from "vitest";
import { repair } from "../../runtime/scripts/index.js";
import { HOUR_MS, useShards } from "./shard-bench.js";

const setup = useShards();

test("a job that has become due since it was looked at does not come to stand in its due set as well", async () => {
  const bench = setup();
  // A list longer than what a repair may search.
  await bench.put(Object.fromEntries(Array.from({ length: 20 }, (_unused, n) => [`x${n}`, {}])));
  await bench.put({ a: { due: "+60000", key: "a:task k", keyTtlMs: HOUR_MS } as never });
  await bench.redis.zrem(bench.keys.keysExpiry, "a:task k");
  const dueAt = Number(await bench.redis.zscore(bench.keys.queue("q").due, "a"));
  expect(dueAt).toBeGreaterThan(0);
  await bench.redis.zadd(bench.keys.queue("q").due, "XX", 1, "a");
  await bench.register("w");
  await bench.advance("w", { want: 0 });
  expect((await bench.shard()).pending["q"]?.at(-1)).toBe("a");
  const reply = await repair(bench.connection, {
    keys: bench.keys,
    id: "a",
    seen: { record: "job", run: undefined, owner: undefined },
    target: { record: "keep", run: undefined, active: false, done: undefined, dead: undefined },
    queues: [{ name: "q", seen: 0, pending: false, dueAt }],
    longestSearch: 10,
    keyFields: ["a:task k"],
    keyEndsAt: dueAt + HOUR_MS,
  });
  const { due } = await bench.shard();
  await bench.redis.zadd(bench.keys.keysExpiry, "NX", dueAt + HOUR_MS, "a:task k");
  await bench.redis.zrem(bench.keys.queue("q").due, "a");
  expect([reply, due]).toEqual(["MOVED", {}]);
});
