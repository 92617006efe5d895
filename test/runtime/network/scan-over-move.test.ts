// A list of the jobs of a worker is read in pages, and between two of them the shard may come to another server, whose hash tables are in
// another order: a cursor of the one says nothing to the other.
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector } from "../../../runtime/inspect/index.js";
import { recordHead, ShardKeys } from "../../../runtime/protocol/index.js";
import { startCluster, type TestCluster } from "../../support/cluster.js";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

test("all jobs of a worker are listed, also where the slot moves between two pages", async () => {
  const keys = new ShardKeys("scan");
  const connection = new Connection({ url: cluster.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  const ids = Array.from({ length: 5000 }, (_unused, n) => `job${n}`);
  await connection.redis.hset(keys.active, "#", "-".repeat(72), ...ids.flatMap((id) => [id, "A"]));
  const hscan = connection.redis.hscan.bind(connection.redis) as (...args: unknown[]) => Promise<unknown>;
  let pages = 0;
  connection.redis.hscan = (async (...args: unknown[]) => {
    const page = await hscan(...args);
    if (++pages === 2) await cluster.moveSlot(keys.tag);
    return page;
  }) as never;
  const held = await connection.heldBy(keys, "A");
  expect(held.length).toBe(ids.length);
}, 60_000);

test("the auditor misses no job where the slot moves between two pages", async () => {
  const keys = new ShardKeys("audit");
  const connection = new Connection({ url: cluster.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  const ids = Array.from({ length: 5000 }, (_unused, n) => `job${n}`);
  const record = `${recordHead("a:task", "q", "h1", {})}{}]`;
  await connection.redis.hset(keys.meta, "protocol", "1", "queue:q", "1");
  // In no index, so that each of them is a finding.
  await connection.redis.hset(keys.jobs, ...ids.flatMap((id) => [id, record]));
  const hscan = connection.redis.hscan.bind(connection.redis) as (...args: unknown[]) => Promise<unknown>;
  let pages = 0;
  connection.redis.hscan = (async (...args: unknown[]) => {
    const page = await hscan(...args);
    if (++pages === 3) await cluster.moveSlot(keys.tag);
    return page;
  }) as never;
  const { counts } = await createInspector({ connection, keys, tasks: ["a:task"] }).audit();
  expect(counts).toEqual({ "TW-F01": ids.length });
}, 60_000);

test("many calls that find the slot elsewhere set off no warning of Node", async () => {
  const keys = new ShardKeys("warn");
  const connection = new Connection({ url: cluster.url }, "test", keys);
  const warnings: string[] = [];
  const hear = (warning: Error): void => void warnings.push(warning.message);
  process.on("warning", hear);
  onTestFinished(() => {
    process.off("warning", hear);
    connection.disconnect();
  });
  await connection.redis.hset(keys.meta, "a", "1");
  await cluster.moveSlot(keys.tag);
  const replies = await Promise.all(Array.from({ length: 20 }, () => connection.redis.hget(keys.meta, "a")));
  expect(new Set(replies)).toEqual(new Set(["1"]));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(warnings).toEqual([]);
}, 60_000);
