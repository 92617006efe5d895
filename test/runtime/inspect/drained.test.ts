// Waiting for the end of a drain: nothing of a queue or a task waits, is due later, or runs.
import { expect, onTestFinished, test } from "vitest";
import { waitUntilDrained } from "../../../cli/wait-drained.js";
import { openInspector, type OpenedInspector } from "../../../runtime/inspect/index.js";
import { inProcess } from "../../cli/weft.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const group = { concurrency: { limit: 1 } } as never;
const work = defineTask("some:work");
const limited = defineTask("limited:work", group);
const elsewhere = defineTask("other:work", { queue: "other" } as never);
const queues = [
  { name: "default", weight: 1 },
  { name: "other", weight: 1 },
];

function setup(shards = 1): { project: Project; inspector: OpenedInspector } {
  const project = setupProject({ redis, tasks: [work, limited, elsewhere] as never, queues, shards });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** Of the queue, and of the task. */
async function isEmpty(inspector: OpenedInspector, task = "some:work"): Promise<[boolean, boolean]> {
  return [await inspector.isQueueEmpty("default"), await inspector.isTaskEmpty(task)];
}

test.each([1, 3])("a queue is empty when nothing of it waits, is due or runs (%i shards)", async (shards) => {
  const { project, inspector } = setup(shards);
  await project.enqueue(elsewhere, { n: 1 });
  await project.enqueue(work, { n: 1 }, { queue: "other" });
  await project.client.ready();
  for (const shard of project.shards) await shard.raw.hset(shard.keys.meta, "queue:default", "1");
  expect(await isEmpty(inspector)).toEqual([true, false]);
  const later = await project.enqueue(work, { n: 1 }, { delay: "1h", queue: "default" });
  expect(await isEmpty(inspector)).toEqual([false, false]);
  await later.cancel();
  expect(await isEmpty(inspector)).toEqual([true, false]);
  const [running, goesOn] = [signal<void>(), signal<void>()];
  const handler = async (): Promise<void> => {
    running.send();
    await goesOn.promise;
  };
  const job = await project.enqueue(work, { n: 2 });
  expect(await isEmpty(inspector)).toEqual([false, false]);
  await project.worker({ "some:work": handler, "other:work": () => undefined } as never);
  await running.promise;
  expect(await isEmpty(inspector)).toEqual([false, false]);
  goesOn.send();
  await job.result();
  await until("the task to be empty", () => inspector.isTaskEmpty("some:work"));
  expect(await isEmpty(inspector)).toEqual([true, true]);
});

test("jobs at the gate count", async () => {
  const { project, inspector } = setup();
  const jobs = await project.many(limited, [{ n: 1 }, { n: 2 }]);
  await jobs[0]!.cancel();
  await project.raw.del(project.keys.queue("default").pending);
  expect(await isEmpty(inspector, "limited:work")).toEqual([false, false]);
  await project.raw.flushdb();
});

test.each([
  ["queues", "default"],
  ["tasks", "some:work"],
] as const)(
  "weft %s drain --wait waits for the last job, or says that its time is over",
  async (what, name) => {
    const { project } = setup();
    const call = (...args: string[]) =>
      inProcess([what, "drain", name, "--wait", ...args], {
        cwd: "/",
        env: { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix },
      });
    await project.many(work, [{ n: 1 }, { n: 2 }]);
    const late = await call("--timeout", "1ms");
    expect(late).toMatchObject({ code: 7, stdout: "" });
    expect(late.stderr).toContain(`jobs of ${name}`);
    const waiting = call();
    let ran = 0;
    await project.worker({ "some:work": () => void (ran += 1) } as never);
    expect(await waiting).toMatchObject({ code: 0, stdout: `${name}  drained\n` });
    expect(ran).toBe(2);
    expect((await call("--json")).stdout).toContain(`"name": "${name}"`);
  },
);

test("the wait ends in time also while it looks", async () => {
  const never = new Promise<boolean>(() => undefined);
  const session = { io: { stderr: {} } } as never;
  const waiting = waitUntilDrained(["default", "other"], () => never, { timeout: "20ms" }, session);
  await expect(within(5000, "the wait to end", waiting)).rejects.toMatchObject({ code: "TimedOut" });
});
