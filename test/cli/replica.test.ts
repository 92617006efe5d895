// Commands before a server that refuses every write, or lacks the database: they say so at once.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { ShardKeys } from "../../runtime/protocol/index.js";
import { startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";
import { inProcess } from "./weft.js";

const redis = await startRedis();
const { meta } = new ShardKeys("weft");
await redis.client().hset(meta, { protocol: 1, shards: 1, "queue:default": "1" });
const replica = await startRedis({ args: ["--replicaof", "127.0.0.1", String(redis.port)] });
const copy = replica.client();
await until(
  "the replica to have what its primary has",
  async () => (await copy.hexists(meta, "protocol")) === 1,
);

const call = (...args: string[]) => callAt(replica.url, ...args);
const callAt = (url: string, ...args: string[]) => {
  const cwd = mkdtempSync(path.join(tmpdir(), "weft-replica-"));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  const env = { TASKWEFT_REDIS_URL: url };
  return within(10_000, "the command to end", inProcess(args, { cwd, env }));
};

test.each([
  ["enqueue", "a:b"],
  ["queues", "pause", "default"],
])("weft %s %s is refused with what to do", async (...args) => {
  const { code, stderr } = await call(...args);
  expect([code, stderr]).toEqual([6, expect.stringMatching(/RedisUnavailable.*read-only replica/)]);
  expect(stderr).toContain("redis+sentinel://");
});

test("what only reads goes on", async () => {
  expect(await call("jobs", "list")).toMatchObject({ code: 0 });
});

test.each([["jobs", "list"], ["doctor"], ["enqueue", "a:b"]])(
  "%s at a database that is none is refused",
  async (...args) => {
    const { code, stdout, stderr } = await callAt(`${redis.url}/99`, ...args);
    expect(`${stdout}${stderr}`).toContain("Redis has no database 99 (ERR DB index is out of range)");
    expect(code).toBeGreaterThan(0);
  },
);
