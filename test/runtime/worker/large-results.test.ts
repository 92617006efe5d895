// The results of jobs that end together are large together: no call may grow with them, and they may not pile up.
import { expect, test } from "vitest";
import { advanceScript } from "../../../runtime/scripts/index.js";
import { monitor } from "../../support/monitor.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();
const task = defineTask<{ n: number }, string>("large:work");
const payloads = (count: number) => Array.from({ length: count }, (_unused, n) => ({ n }));

test("large results that are there at once travel in several calls", async () => {
  const project = setupProject({ redis, tasks: [task] as never });
  const ready = signal();
  let running = 0;
  const handlers = {
    "large:work": async () => {
      running += 1;
      await ready.promise;
      return "x".repeat(400_000);
    },
  };
  await project.worker(handlers, { concurrency: 20 });
  const jobs = await project.many(task, payloads(20));
  await until("all to run", () => running === 20);
  let largest = 0;
  const watching = await monitor(redis.port, (args) => {
    if (args[1] === advanceScript.sha) largest = Math.max(largest, args.join("").length);
  });
  ready.send();
  await Promise.all(jobs.map((job) => job.result()));
  watching.close();
  expect(largest).toBeGreaterThan(400_000);
  expect(largest).toBeLessThan(1_100_000);
});

test("results that come faster than they are sent keep the worker from claiming more", async () => {
  const project = setupProject({ redis, tasks: [task] as never });
  const jobs = await project.many(task, payloads(300));
  const held: number[] = [];
  const handlers = {
    "large:work": ({ payload }: { payload: { n: number } }) => {
      if (payload.n % 20 === 0) void project.raw.hlen(project.keys.active).then((count) => held.push(count));
      return "x".repeat(200_000);
    },
  };
  await project.worker(handlers as never, { concurrency: 20, claimAhead: 0 });
  await Promise.all(jobs.map((job) => job.result()));
  expect(held).toHaveLength(15);
  expect(Math.max(...held)).toBeLessThan(70);
});
