// A retry of a cancelled job whose place in the list a worker is just passing over.
import { expect, test } from "vitest";
import { useShards } from "./shard-bench.js";

const setup = useShards();

test("a job that was cancelled while it waited can be retried while a worker passes over it", async () => {
  const bench = setup();
  await bench.put({ a: {} });
  expect(await bench.cancel("a")).toBe("CANCELLED");
  // The worker is about to discard it; or it has died, and its lease still lasts.
  expect(await bench.claim("A", 1)).toEqual(["a"]);
  expect(await bench.retry("a", "q", "cancelled")).toBe("RETRIED");
  expect(await bench.discard("A", ["a"])).toBe(1);
  expect((await bench.shard()).pending).toEqual({ q: ["a"] });
});
