// Tasks that are paused or drained, with real workers and producers.
import { expect, onTestFinished, test } from "vitest";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, rejection, setupProject, type Project } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const redis = await startRedis({ persist: true });
const alert = defineTask<{ n: number }>("ops:alert");
const mail = defineTask<{ n: number }>("mail:send", {
  onExhausted: { task: "ops:alert", fields: ["jobId"] },
  retry: { maxRetries: 0, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
});
const other = defineTask<{ n: number }>("other:work");

function setup(): { project: Project; inspector: Inspector } {
  const project = setupProject({ redis, tasks: [alert, mail, other] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, tasks: ["mail:send"] });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

const numbers = (count: number) => Array.from({ length: count }, (_unused, n) => ({ n }));

test("a paused task stands in nobody's way, outlasts a restart of Redis and of the workers, and goes on in order", async () => {
  const { project, inspector } = setup();
  await project.many(mail, numbers(3000));
  await inspector.pauseTask("mail:send");
  const sent: number[] = [];
  let others = 0;
  const handlers = {
    "mail:send": ({ payload }: { payload: { n: number } }) => void sent.push(payload.n),
    "other:work": () => void (others += 1),
  };
  const first = await project.worker(handlers as never, { concurrency: 1 });
  await project.worker(handlers as never, { concurrency: 1 });
  const behind = await project.many(other, numbers(100));
  await within(10_000, "the others to run", Promise.all(behind.map((job) => job.result())));
  expect([sent.length, others]).toEqual([0, 100]);
  expect(await inspector.showTask("mail:send")).toMatchObject({ parked: 3000, pausedAt: expect.any(Number) });
  expect((await inspector.showQueue("default")).pending).toBe(3000);
  const page = await inspector.listJobs({ state: "pending", limit: 1 });
  expect(await inspector.showJob(page.jobs[0]!.id)).toMatchObject({ state: "pending", waitsFor: "paused" });
  await first.stop();
  await redis.restart();
  await project.enqueue(other, { n: 1 });
  await until("another to run after the restart", () => others === 101);
  expect(sent).toEqual([]);
  await inspector.resumeTask("mail:send");
  await until("all mails to be sent", () => sent.length === 3000);
  expect(sent).toEqual(numbers(3000).map(({ n }) => n));
  await until(
    "nothing to be left of the pause",
    async () => (await project.raw.exists(project.keys.paused)) === 0,
  );
  expect(await inspector.listTasks()).toEqual([{ name: "mail:send", parked: 0 }]);
});

test("resume wakes idle workers at once", async () => {
  const { project, inspector } = setup();
  await inspector.pauseTask("mail:send");
  await project.worker({ "mail:send": () => undefined });
  const job = await project.enqueue(mail, { n: 1 });
  await until("it to be put aside", async () => (await inspector.showTask("mail:send")).parked === 1);
  await inspector.resumeTask("mail:send");
  expect(await within(4000, "the job to run", job.result())).toBeUndefined();
});

test("a task that is drained refuses new jobs by name, works off what is there, and tells of deaths", async () => {
  const { project, inspector } = setup();
  await project.many(mail, numbers(2));
  await inspector.drainTask("mail:send");
  const error = await rejection(project.enqueue(mail, { n: 3 }));
  expect(error).toMatchObject({ code: "Draining", operation: "enqueue" });
  expect(error.message).toContain("the task mail:send is being drained");
  await project.enqueue(other, { n: 1 });
  expect(await inspector.showTask("mail:send")).toMatchObject({ drainingAt: expect.any(Number) });
  await inspector.drainQueue("default");
  expect((await rejection(project.enqueue(other, { n: 1 }))) as Error).toMatchObject({ code: "Draining" });
  expect((await inspector.showQueue("default")).drainingAt).toBeDefined();
  let told = 0;
  await project.worker({
    "mail:send": () => {
      throw new Error("no route");
    },
    "ops:alert": () => void (told += 1),
    "other:work": () => undefined,
  });
  await until("both deaths to be told of", () => told === 2);
  await inspector.acceptQueue("default");
  await inspector.acceptTask("mail:send");
  await project.enqueue(mail, { n: 3 });
});

test("a task that nobody knows is refused with the list of those that are there", async () => {
  const { inspector } = setup();
  await expect(inspector.pauseTask("mail:sned")).rejects.toThrow(
    "TaskUnknown: no task named mail:sned. Tasks: mail:send",
  );
});
