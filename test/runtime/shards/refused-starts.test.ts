// A shard that comes back refuses to be written to for a while, as a primary does until its replica is there.
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const SHARDS = 4;
const redis = await startRedis();
const work = defineTask<{ n: number }, number>("some:work");

test("shards that refuse to be written to for a while are served when they no longer do", async () => {
  const project = setupProject({ redis, tasks: [work] as never, shards: SHARDS });
  const job = await project.enqueue(work, { n: 1 });
  await project.raw.config("SET", "min-replicas-to-write", "1");
  const starts = project.worker({ "some:work": ({ payload }: { payload: { n: number } }) => payload.n * 2 });
  const refusals = (): number =>
    project.logger.messages("warn").filter((message) => message.startsWith("a shard refuses this worker"))
      .length;
  await until("every shard to have refused it", () => refusals() >= SHARDS);
  await project.raw.config("SET", "min-replicas-to-write", "0");
  await starts;
  expect(await job.result()).toBe(2);
});
