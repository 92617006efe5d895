import { expect, test } from "vitest";
import { useShards } from "./shard-bench.js";

const setup = useShards();

test("the latest progress stands in the place of the one before, beside the steps", async () => {
  const bench = setup();
  await bench.put({ a: {}, b: {} });
  await bench.claim("A", 2);
  await bench.saveStep("A", "a", "one");
  expect(await bench.note("A", { a: 10, b: { rows: 3 } })).toBe(2);
  expect(await bench.note("A", { a: 20 })).toBe(1);
  expect((await bench.shard()).notes).toEqual({
    a: '["one"]',
    "a progress": "20",
    "b progress": '{"rows":3}',
  });
});

test("jobs that the worker does not hold are passed over, the others are noted", async () => {
  const bench = setup();
  await bench.put({ a: {}, b: {} });
  await bench.claim("A", 1);
  await bench.claim("B", 1);
  expect(await bench.note("A", { b: 1, never: 2, a: 3 })).toBe(1);
  expect((await bench.shard()).notes).toEqual({ "a progress": "3" });
});

test("a worker whose lease is gone or condemned is refused", async () => {
  const bench = setup();
  await bench.put({ a: {} });
  await bench.claim("A", 1);
  expect(await bench.note("nobody", { a: 1 })).toBe("LOST");
  await bench.redis.zadd(bench.keys.leases, 0, "A");
  expect(await bench.note("A", { a: 1 })).toBe("LOST");
  expect((await bench.shard()).notes).toEqual({});
});
