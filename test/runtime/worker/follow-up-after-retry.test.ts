// A second death is reported too, however long the history between it and the retry by hand.
import { expect, onTestFinished, test } from "vitest";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const backoff = { type: "fixed", delayMs: 0, jitter: "none" } as const;
const onExhausted = { task: "ops:alert", fields: ["jobId"] } as const;
const work = defineTask("some:work", { onExhausted, retry: { maxRetries: 35, backoff } } as never);
const alert = defineTask("ops:alert", { queue: "alerts" });
const queues = [
  { name: "alerts", weight: 1 },
  { name: "default", weight: 1 },
];

test("the death of a job that a person has retried is reported too, however many attempts it had", async () => {
  const project = setupProject({ redis, tasks: [work, alert] as never, queues });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const alerts = () => project.raw.llen(project.keys.queue("alerts").pending);
  await project.worker({ "some:work": () => Promise.reject(new Error("no")) }, { queues: ["default"] });
  const { id } = await project.enqueue(work, { n: 7 });
  const dies = () => until("the job to be dead", async () => (await project.state(id)) === "dead");
  await dies();
  expect(await alerts()).toBe(1);
  await inspector.retry(id);
  await dies();
  expect((await project.run(id)).attempts).toBe(36);
  expect(await alerts()).toBe(2);
});
