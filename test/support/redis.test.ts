import { describe, expect, test } from "vitest";
import { startRedis } from "./redis.js";

describe("a test's own Redis", () => {
  test("keeps its data through kill9 and restart when it persists", async () => {
    const redis = await startRedis({ persist: true });
    const client = redis.client();
    await client.set("order", "7");
    const firstPid = redis.pid;
    await redis.kill9();
    await redis.restart();
    expect(redis.pid).not.toBe(firstPid);
    expect(await redis.client().get("order")).toBe("7");
  });

  test("answers nothing while paused and the late answer after resume", async () => {
    const redis = await startRedis();
    const client = redis.client();
    await client.ping();
    redis.pause();
    let answered = false;
    const late = client.ping().then(() => (answered = true));
    await expect(redis.client({ connectTimeout: 50, commandTimeout: 50 }).ping()).rejects.toThrow(
      /timed? ?out/i,
    );
    expect(answered).toBe(false);
    redis.resume();
    await expect(late).resolves.toBe(true);
  });

  test("two files never share a server", async () => {
    const [one, other] = await Promise.all([startRedis(), startRedis()]);
    expect(one.port).not.toBe(other.port);
    expect(await one.client().config("GET", "maxmemory-policy")).toContain("noeviction");
  });
});
