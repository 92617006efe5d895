// What keeps the queue's memory bounded, and its order.
import { beforeEach, expect, test } from "vitest";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import { enqueueMessageHandle } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { setup } from "./project.js";

const MOST_PENDING = 2000;

const redis = await startRedis();
// The server is this file's alone.
beforeEach(() => redis.client().flushall());

function messages(count: number, from = 0): readonly { number: number; text: string }[] {
  return Array.from({ length: count }, (_unused, index) => ({ number: from + index, text: "Hello" }));
}

test("first in, first out", async () => {
  const { handled, startWorker } = await setup(redis.url);
  for (const from of [0, 50, 100]) await enqueueMessageHandle.many(messages(50, from));
  await startWorker({ concurrency: 1 });
  await until("all to be handled", () => handled().length === 150);
  expect(handled().map(({ number }) => number)).toEqual(messages(150).map(({ number }) => number));
});

test("a full queue refuses with QueueFull, holds what it has, and takes more once it is drained", async () => {
  const { handled, operator, startWorker } = await setup(redis.url);
  await enqueueMessageHandle.many(messages(MOST_PENDING));
  const [one] = messages(1, MOST_PENDING);
  for (let n = 0; n < 3; n++)
    await expect(enqueueMessageHandle(one!)).rejects.toMatchObject({ code: "QueueFull" });
  expect((await operator.ids("pending")).length).toBe(MOST_PENDING);
  await startWorker({ concurrency: 50 });
  await until("some to be handled", () => handled().length > 100);
  const job = await enqueueMessageHandle(one!);
  await job.result();
  expect(handled().filter(({ number }) => number === one!.number)).toHaveLength(1);
});

test("a message that nobody reached in time is dead instead of handled late, with its reason", async () => {
  const { handled, operator, startWorker } = await setup(redis.url);
  const late = await enqueueMessageHandle({ number: 1, text: "too late" }, { startWithin: "1ms" });
  const inTime = await enqueueMessageHandle({ number: 2, text: "in time" });
  await startWorker();
  await inTime.result();
  await expect(late.result()).rejects.toMatchObject({ code: "JobDead" });
  expect((await operator.show(late.id)).timeline.at(-1)).toMatchObject({ error: "StartedTooLate" });
  expect(handled().map(({ number }) => number)).toEqual([2]);
  // What the definition says for all others: five minutes.
  expect(registry.contracts[0]).toMatchObject({ startWithinMs: 300_000 });
});

test("nothing stays of a message when its retention is over", async () => {
  const { handled, operator, startWorker } = await setup(redis.url);
  await startWorker();
  await enqueueMessageHandle.many(messages(200), { retention: { completed: "0ms" } });
  const kept = await enqueueMessageHandle.many(messages(50, 200));
  await until("all to be handled", () => handled().length === 250);
  await Promise.all(kept.map((job) => job.result()));
  expect((await operator.ids("completed")).toSorted()).toEqual(kept.map(({ id }) => id).toSorted());
  // How long the others stay: ten seconds, by the definition.
  const { endedAt = 0, removedAt = 0 } = await operator.show(kept[0]!.id);
  expect(Math.round((removedAt - endedAt) / 1000)).toBe(10);
  const raw = redis.client();
  await until("only these to be stored", async () => (await raw.hlen("{taskflow:0}:jobs")) === kept.length);
});

test("an idle worker takes a message up without waiting for a poll", async () => {
  const { handled, startWorker } = await setup(redis.url);
  await startWorker();
  const delays: number[] = [];
  for (const message of messages(20)) {
    const sentAt = Date.now();
    await (await enqueueMessageHandle(message)).result();
    delays.push(handled().at(-1)!.startedAt - sentAt);
  }
  // An idle worker looks by itself every five seconds; what is found sooner was heard of.
  expect(delays.toSorted((a, b) => a - b)[10]).toBeLessThan(500);
});
