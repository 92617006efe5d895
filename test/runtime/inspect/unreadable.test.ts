// Jobs of which Redis holds something that cannot be read: they are shown as such, hide no others, and can be removed.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
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

describe("a record that cannot be read", () => {
  const TEXTS = ["not json", "null", "{}", "[1]", '[1,"mail:send","default","0a1b2c3d",{'];

  test.each(TEXTS)("%s is shown as such, and can be deleted only", async (text) => {
    const { redis } = shard.connection;
    await shard.add("good");
    await redis.hset(shard.keys.jobs, "bad", text);
    await redis.rpush(shard.keys.queue("default").pending, "bad");
    const { jobs } = await inspector.listJobs();
    expect(jobs).toMatchObject([
      { id: "good", task: "mail:send" },
      { id: "bad", task: "(unreadable)", state: "pending", unreadable: true },
    ]);
    expect(await inspector.showJob("bad")).toMatchObject({ id: "bad", unreadable: true, payload: null });
    for (const command of ["cancel", "retry"] as const)
      await expect(inspector[command]("bad")).rejects.toThrow(
        "StateConflict: what Redis holds of the job bad cannot be read, so it never runs. weft jobs delete bad removes it",
      );
    await inspector.remove("bad");
    expect(await redis.hget(shard.keys.jobs, "bad")).toBe("[0]");
    await expect(inspector.showJob("bad")).rejects.toThrow("JobNotFound");
  });

  test("is deleted where it is due, also when it does not tell its queue", async () => {
    const { redis } = shard.connection;
    await redis.hset(shard.keys.jobs, "bad", "null");
    await redis.zadd(shard.keys.queue("low").due, "1", "bad");
    await inspector.remove("bad");
    expect(await redis.zcard(shard.keys.queue("low").due)).toBe(0);
    expect(await redis.hexists(shard.keys.jobs, "bad")).toBe(0);
  });

  test("nor a run that cannot be read hides the others", async () => {
    await shard.add("bad");
    await shard.add("good");
    await shard.connection.redis.hset(shard.keys.runs, "bad", "not json");
    const { jobs } = await inspector.listJobs();
    expect(jobs.map(({ id, unreadable }) => [id, unreadable])).toEqual([
      ["bad", true],
      ["good", undefined],
    ]);
    await inspector.remove("bad");
    expect((await inspector.listJobs()).jobs.map(({ id }) => id)).toEqual(["good"]);
  });
});
