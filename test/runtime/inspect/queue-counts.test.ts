// Counts of queues that are made on a sample, where a set is too large to be counted.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { startRedis } from "../../support/redis.js";
import { TestShard } from "./shard.js";

let shard: TestShard;
let inspector: Inspector;

beforeAll(async () => {
  const server = await startRedis();
  shard = new TestShard(server.url);
  inspector = createInspector({ connection: shard.connection, keys: shard.keys, queues: ["default", "low"] });
});

afterAll(() => shard.connection.disconnect());
beforeEach(() => shard.clear());

test("many dead jobs are counted on a sample, and it says so", async () => {
  const { redis } = shard.connection;
  const pipeline = redis.pipeline();
  for (let index = 0; index < 2000; index++) {
    const queue = index % 4 === 0 ? "low" : "default";
    pipeline.hset(shard.keys.jobs, `d${index}`, `[1,"t","${queue}","00000000",0,{}]`);
    pipeline.hset(shard.keys.runs, `d${index}`, '[1,0,"dead",null,[]]');
    pipeline.zadd(shard.keys.dead, index, `d${index}`);
  }
  await pipeline.exec();
  const [first, second] = await inspector.listQueues();
  expect(first!.estimated).toEqual(["dead"]);
  expect(first!.dead).toBe(1500);
  expect(second!.dead).toBe(500);
});

test("a sample is taken from the whole of a set, not from its end", async () => {
  const { redis } = shard.connection;
  const pipeline = redis.pipeline();
  const { due } = shard.keys.queue("default");
  for (let index = 0; index < 800; index++) {
    const id = `due${index}`;
    pipeline.hset(shard.keys.jobs, id, '[1,"t","default","00000000",0,{}]');
    if (index < 200) pipeline.hset(shard.keys.runs, id, '[1,0,"retry",null,[]]');
    pipeline.zadd(due, 8e12 + index, id);
  }
  await pipeline.exec();
  const { retry, scheduled, estimated } = await inspector.showQueue("default");
  expect([retry, scheduled, estimated]).toEqual([200, 600, ["scheduled", "retry"]]);
});
