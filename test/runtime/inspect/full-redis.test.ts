// Redis at its memory limit: whoever is on call can look at everything, and hold back what fills it.
import { expect, onTestFinished, test } from "vitest";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { jobOf, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const work = defineTask("some:work");

test("all can be read, and queues and tasks paused, drained and let go, while Redis is full", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, tasks: ["some:work"] });
  onTestFinished(() => inspector.close());
  const pending = await project.enqueue(work, { n: 1 });
  await project.enqueue(work, { n: 2 }, { delay: "1h" });
  await (await project.enqueue(work, { n: 3 })).cancel();
  await start(
    project,
    workflow([{ name: "a", needs: [], job: jobOf(work as never, value(1)) }]),
    {},
    "run-1",
  );
  await project.raw.config("SET", "maxmemory", "1");
  onTestFinished(() => void project.raw.config("SET", "maxmemory", "0"));

  expect((await inspector.listJobs()).jobs).toHaveLength(4);
  expect(await inspector.showJob(pending.id)).toMatchObject({ state: "pending", payload: { n: 1 } });
  expect((await inspector.collectIds({ task: "some:work" })).ids).toHaveLength(4);
  expect((await inspector.listRuns()).runs).toHaveLength(1);
  expect(await inspector.showRun("run-1")).toMatchObject({ state: "running" });
  expect(await inspector.readGauges()).toMatchObject([{ queues: [{ pending: 3, scheduled: 1 }] }]);
  expect(await inspector.isQueueEmpty("default")).toBe(false);
  expect(await inspector.isTaskEmpty("some:work")).toBe(false);
  expect(await inspector.listWorkers()).toEqual([]);
  expect(await inspector.listSchedules()).toEqual([]);
  expect(await inspector.listEvents()).toMatchObject({ events: [] });
  expect(await inspector.audit()).toMatchObject({ findings: [] });

  await inspector.pauseQueue("default");
  await inspector.drainQueue("default");
  await inspector.pauseTask("some:work");
  await inspector.drainTask("some:work");
  const held = { pausedAt: expect.any(Number) as number, drainingAt: expect.any(Number) as number };
  expect(await inspector.listQueues()).toMatchObject([held]);
  expect(await inspector.listTasks()).toMatchObject([held]);
  await inspector.resumeQueue("default");
  await inspector.acceptQueue("default");
  await inspector.resumeTask("some:work");
  await inspector.acceptTask("some:work");
  expect((await inspector.showQueue("default")).pausedAt).toBeUndefined();
  expect((await inspector.showTask("some:work")).pausedAt).toBeUndefined();
  expect(await project.raw.lrange(project.keys.queue("default").wake, 0, -1)).toEqual(["1"]);
  expect(await inspector.cancel(pending.id)).toBe("cancelled");
  await inspector.remove(pending.id);
});
