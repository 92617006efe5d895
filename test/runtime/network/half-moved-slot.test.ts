// While the slot of a shard is half moved, no node can answer for it.
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { ShardKeys } from "../../../runtime/protocol/index.js";
import { note } from "../../../runtime/scripts/index.js";
import { leaveHints } from "../../../runtime/worker/claims/hints.js";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { RecordingLogger, rejection } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { within } from "../../support/signal.js";

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
}, 60_000);

test("hints that are left while the slot is half moved are there when it is whole", async () => {
  const keys = new ShardKeys("hints");
  const connection = new Connection({ url: cluster.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  const logger = new RecordingLogger();
  await connection.redis.hset(keys.meta, "a", "1");
  await connection.redis.hset(keys.jobs, "a", "1");
  let leaving: Promise<void> | undefined;
  await cluster.moveSlot(keys.tag, async () => {
    leaving = leaveHints({ connection, keys, logger }, ["one", "two"]);
    // The node that loses the slot has refused them by then.
    await connection.redis.ping();
  });
  await within(20_000, "the hints to be left", leaving!);
  const left = ["one", "two"].map((queue) => connection.redis.lrange(keys.queue(queue).wake, 0, -1));
  expect(await Promise.all(left)).toEqual([["1"], ["1"]]);
  expect(logger.lines).toEqual([]);
}, 60_000);

test("a call that is given up meanwhile says which shard has not answered, and what to do", async () => {
  const keys = new ShardKeys("reads");
  const options = { url: cluster.url, redis: { commandTimeout: 500 } };
  const connection = new Connection(options, "test", keys);
  onTestFinished(() => connection.disconnect());
  await connection.redis.hset(keys.meta, "a", "1");
  await connection.redis.hset(keys.workers, "a", "1");
  const said: string[] = [];
  await cluster.moveSlot(keys.tag, async () => {
    for (const call of [
      connection.readRecords(keys, ["a"]),
      note(connection, { keys, worker: "w", jobs: [{ id: "a", progress: "1" }] }),
    ])
      said.push((await rejection(call)).message);
  });
  const moved = String.raw`its latest error: (ASK|TRYAGAIN) .*\. The slot of the shard is half moved to another node`;
  const place = String.raw`the shard \{reads:0\} at redis\+cluster://127\.0\.0\.1:\S+`;
  expect(said[0]).toMatch(new RegExp(`^RedisUnavailable: ${place} did not answer in time; ${moved}`));
  expect(said[1]).toMatch(
    new RegExp(
      `^OutcomeUnknown: ${place} did not answer the note in time, so it may or may not have happened; ${moved}`,
    ),
  );
}, 60_000);

test("as does one to a server that stands still", async () => {
  const redis = await startRedis();
  const keys = new ShardKeys("still");
  const connection = new Connection({ url: redis.url, redis: { commandTimeout: 300 } }, "test", keys);
  onTestFinished(() => connection.disconnect());
  await connection.redis.ping();
  redis.pause();
  onTestFinished(() => redis.resume());
  expect((await rejection(connection.readRecords(keys, ["a"]))).message).toBe(
    `RedisUnavailable: the shard {still:0} at ${redis.url} did not answer in time. Check with \`weft doctor\` whether this Redis is alive, then try again.`,
  );
});
