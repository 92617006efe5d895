// `weft doctor` before a real Cluster: one node that is set up in another way than the rest is named, with the shards that it has.
import { tmpdir } from "node:os";
import { beforeAll, expect, test } from "vitest";
import { ShardKeys } from "../../runtime/protocol/index.js";
import { startCluster, type TestCluster } from "../support/cluster.js";
import { until } from "../support/signal.js";
import { inProcess } from "./weft.js";

const SHARDS = 6;
interface Finding {
  readonly code: string;
  readonly level: string;
  readonly message: string;
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

async function problems(wanted = "error"): Promise<readonly string[]> {
  const env = { TASKWEFT_REDIS_URL: cluster.url, TASKWEFT_SHARDS: String(SHARDS) };
  const { stdout } = await inProcess(["doctor", "--json"], { cwd: tmpdir(), env });
  const { data } = JSON.parse(stdout) as { data: { findings: readonly Finding[] } };
  expect(data.findings).toContainEqual({
    code: "TW-D20",
    level: "ok",
    message: `3 servers have the ${SHARDS} shards`,
  });
  return data.findings
    .filter(({ code, level }) => level === wanted && code !== "TW-D22")
    .map(({ code, message }) => `${code} ${message}`);
}

test("each server of a Cluster is asked, and what is wrong with one is told once, with its shard", async () => {
  expect(await problems()).toEqual([]);
  const homes = await Promise.all(
    Array.from({ length: SHARDS }, (_unused, shard) => cluster.primaryOf(new ShardKeys("weft", shard).tag)),
  );
  const odd = homes.findIndex((home) => home !== homes[0]);
  const node = homes[odd]!.client();
  await node.config("SET", "maxmemory-policy", "allkeys-lru");
  expect(await problems()).toEqual([
    `TW-D21 shard ${odd}: expected maxmemory-policy noeviction, got allkeys-lru`,
  ]);
  await node.config("SET", "maxmemory-policy", "noeviction");
  await node.acl("SETUSER", "default", "-zadd");
  const refused = (await problems()).map((line) => /^TW-D28 shard (\d+): .*may not use ZADD/.exec(line)?.[1]);
  expect(refused).toEqual(homes.flatMap((home, shard) => (home === homes[odd] ? [String(shard)] : [])));
}, 30_000);

test("a primary without a replica is told of while the Cluster stands still without it", async () => {
  const stands = async (): Promise<readonly string[]> =>
    (await problems("warning")).filter((line) => line.startsWith("TW-D33"));
  const text = "this primary of a Cluster has no replica, and cluster-require-full-coverage is yes";
  expect((await stands())[0]).toBe(`TW-D33 ${text}`);
  expect((await stands()).length).toBe(3);
  for (const node of cluster.nodes) await node.client().config("SET", "cluster-require-full-coverage", "no");
  expect(await stands()).toEqual([]);
}, 30_000);

test("a command waits while the slot of its shard moves to another server", async () => {
  const { tag, meta } = new ShardKeys("moving");
  const node = await cluster.primaryOf(tag);
  await node.client().hset(meta, "protocol", 1, "shards", 1, "queue:default", 1);
  const env = { TASKWEFT_REDIS_URL: cluster.url, TASKWEFT_PREFIX: "moving" };
  let listing: ReturnType<typeof inProcess> | undefined;
  await cluster.moveSlot(tag, async () => {
    listing = inProcess(["queues", "list"], { cwd: tmpdir(), env });
    // Until the server that has lost the key has refused it once.
    const refused = async () => /errorstat_ASK:count=[1-9]/.test(await node.client().info("errorstats"));
    await until("the command to be refused", refused);
  });
  const { code, stdout } = await listing!;
  expect([code, stdout]).toEqual([0, expect.stringContaining("default")]);
}, 30_000);
