// Backoff of 2^n seconds with jitter, and the dead letters.
import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { startRedis } from "../../../test/support/redis.js";
import { until } from "../../../test/support/signal.js";
import { enqueueCostCalculate, enqueueWebhookDeliver } from "../generated/index.js";
import { registry } from "../generated/registry.js";
import { setup } from "./project.js";

const redis = await startRedis();

test("an address that fails is tried again after 2^n seconds, of which half is chance; then it is dead and can be sent again", async () => {
  const { operator, receivers, startReplica } = await setup(redis.url);
  await startReplica();
  receivers.broken.add("/hook");
  const jobs = await Promise.all(
    Array.from({ length: 12 }, () =>
      enqueueWebhookDeliver({ traceId: randomBytes(16).toString("hex"), url: `${receivers.url}/hook` }),
    ),
  );
  for (const longest of [2, 4, 8]) {
    await until("all to wait", async () => (await operator.ids("retry")).length === jobs.length);
    const waits = await Promise.all(jobs.map(({ id }) => waitOf(operator.show(id))));
    for (const wait of waits) {
      expect(wait).toBeGreaterThanOrEqual(longest / 2);
      expect(wait).toBeLessThan(longest + 0.1);
    }
    // Twelve at random within a second and more: without jitter all would be the same.
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(longest / 20);
    await operator.sendAhead("retry");
  }
  await until("all to be dead", async () => (await operator.ids("dead")).length === jobs.length);
  expect(receivers.calls).toHaveLength(4 * jobs.length);
  receivers.broken.clear();
  for (const { id } of jobs) await operator.inspector.retry(id);
  await Promise.all(jobs.map((job) => job.result()));
});

test("what can never work is dead at once, with its reason", async () => {
  const { operator, receivers, startReplica } = await setup(redis.url);
  await startReplica();
  const traceId = randomBytes(16).toString("hex");
  const jobs = [
    await enqueueCostCalculate({ traceId, model: "unheard-of", inputTokens: 1, outputTokens: 1 }),
    await enqueueWebhookDeliver({ traceId, url: `${receivers.url}/gone` }),
  ];
  for (const job of jobs) await expect(job.result()).rejects.toMatchObject({ code: "JobDead" });
  const dead = await Promise.all(jobs.map(({ id }) => operator.show(id)));
  const ends = dead.map(({ attempts, timeline }) => [
    attempts,
    timeline.findLast(({ kind }) => kind === "failed")?.error,
  ]);
  expect(ends).toEqual([
    [1, "ModelUnknown"],
    [1, "Gone"],
  ]);
});

test("the queues share 6 to 3 to 1", () => {
  expect(registry.queues.map(({ name, weight }) => [name, weight])).toEqual([
    ["critical", 6],
    ["default", 3],
    ["low", 1],
  ]);
});

/** Seconds from the last failure to the next attempt. */
async function waitOf(
  details: Promise<{ dueAt?: number; timeline: readonly { at: number; kind: string }[] }>,
): Promise<number> {
  const { dueAt = 0, timeline } = await details;
  return (dueAt - (timeline.findLast(({ kind }) => kind === "failed")?.at ?? 0)) / 1000;
}
