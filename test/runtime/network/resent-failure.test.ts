// A failure that is sent again after its reply was lost may meet the next attempt of the same job at the same worker.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { ShardKeys, encodeRun } from "../../../runtime/protocol/index.js";
import { advance, enqueue, fail, heartbeat } from "../../../runtime/scripts/index.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();

test("it is passed over: the attempt that runs now is not ended by what became of the one before", async () => {
  const keys = new ShardKeys("resent");
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  await heartbeat(connection, { keys, worker: "w", leaseMs: 10_000, about: "{}" });
  const item = {
    id: "j",
    queue: "default",
    record: '[1,"a","default","h",0,{}]',
    due: "",
    key: "",
    keyTtlMs: 0,
    ownId: false,
    group: undefined,
    maxPending: 0,
  };
  await enqueue(connection, { keys, client: "c", slot: 0, call: 1, items: [item] });
  const claim = async (): Promise<readonly string[]> => {
    const quotas = [{ queue: "default", quota: 1 }];
    const reply = await advance(connection, {
      keys,
      worker: "w",
      leaseMs: 0,
      want: 1,
      inlineUpTo: 1,
      dropped: [],
      kept: [],
      quotas,
    });
    return reply === "LOST" ? [] : reply.ids;
  };
  const run = encodeRun({
    attempts: 1,
    crashes: 0,
    state: "retry",
    detail: null,
    events: [[1, "failed", 1, "Error", "no", ""]],
  });
  const failure = {
    keys,
    worker: "w",
    id: "j",
    queue: "default",
    outcome: "retry",
    run,
    ms: 0,
    keepCancelledMs: 0,
  } as const;
  expect(await claim()).toEqual(["j"]);
  expect(await fail(connection, failure)).toMatchObject({ outcome: "retry" });
  expect(await claim()).toEqual(["j"]);
  expect(await fail(connection, failure)).toMatchObject({ outcome: "GONE" });
  expect(await connection.redis.hget(keys.active, "j")).toBe("w");
  expect(await connection.redis.zcard(keys.queue("default").due)).toBe(0);
});
