// Redis at its memory limit: producers are refused with a typed error and nothing is stored, and everything that lets
// workers drain, operators cancel and the janitor tidy goes on.
import { afterAll, beforeAll, expect, test } from "vitest";
import { Connection } from "../../runtime/connection/index.js";
import { ShardKeys } from "../../runtime/protocol/index.js";
import { assertSound } from "../support/fsck.js";
import { startRedis } from "../support/redis.js";
import { HOUR_MS, runText, ShardBench } from "./shard-bench.js";

let bench: ShardBench;

beforeAll(async () => {
  const server = await startRedis();
  bench = new ShardBench(new Connection({ url: server.url }, "test"), new ShardKeys());
  await bench.put({
    done: {},
    kept: {},
    retried: {},
    died: {},
    held: {},
    back: {},
    lost: {},
    waiting: {},
    other: {},
  });
  await bench.put({
    due: { due: "1" },
    deleted: { due: "+5000" },
    expired: { key: "a:task k", keyTtlMs: 0 },
  });
  await bench.claim("A", 6);
  await bench.claim("B", 1);
  await bench.register("C");
  await bench.endLease("B");
  await bench.redis.config("SET", "maxmemory", "1mb");
});

afterAll(async () => {
  await assertSound(bench.redis, bench.keys);
  bench.connection.disconnect();
});

test("an enqueue is refused as RedisFull and stores nothing", async () => {
  const before = await bench.shard();
  await expect(bench.put({ more: {} })).rejects.toMatchObject({ code: "RedisFull", operation: "enqueue" });
  await expect(bench.put({ later: { due: "+5", key: "a:task x", keyTtlMs: 9 } })).rejects.toMatchObject({
    code: "RedisFull",
  });
  expect(await bench.shard()).toEqual({ ...before, nowMs: expect.any(Number) as number });
});

test("retry and await, which only add, are refused the same way", async () => {
  await expect(bench.retry("waiting")).rejects.toMatchObject({ code: "RedisFull", operation: "retry" });
  await expect(bench.await("waiting", "client")).rejects.toMatchObject({ code: "RedisFull" });
});

test("workers go on: register, renew, acknowledge, keep, move what is due, claim, fail", async () => {
  await bench.register("D");
  expect(await bench.beat("A")).toMatchObject({ expired: ["B"] });
  const run = runText({ attempts: 1, state: "completed", detail: "x".repeat(1000) });
  const kept = [{ id: "kept", run, keepMs: 0 }];
  const reply = await bench.advance("A", { leaseMs: HOUR_MS, want: 1, dropped: ["done"], kept });
  expect(reply).toMatchObject({ ids: ["waiting"] });
  expect((await bench.shard()).pending["q"]).toContain("due");
  expect(await bench.fail("A", "retried", "retry")).toBe("retry");
  expect(await bench.fail("A", "died", "dead")).toBe("dead");
});

test("handlers store their steps, or they could not go on; their progress is refused", async () => {
  expect(await bench.saveStep("A", "back", "charge", 1)).toBe("SAVED");
  await expect(bench.note("A", { back: 50 })).rejects.toMatchObject({ code: "RedisFull", operation: "note" });
});

test("lost jobs are taken back, others handed back or discarded", async () => {
  expect(await bench.reclaim("B", ["lost"])).toMatchObject({ taken: 1 });
  await bench.reclaim("B", []);
  expect(await bench.runAlone("A", "back")).toMatch(/alone/);
  expect(await bench.reclaim("A", ["back"], { reason: "handed-back" })).toMatchObject({ taken: 1 });
  expect(await bench.discard("A", ["held"])).toBe(1);
});

test("operators can cancel and delete, and the janitor tidies", async () => {
  expect(await bench.cancel("other")).toBe("CANCELLED");
  expect(await bench.cancel("waiting")).toBe("REQUESTED");
  expect(await bench.remove("deleted")).toBe("REMOVED");
  expect(await bench.sweep()).toMatchObject({ done: 1, keys: 1 });
});
