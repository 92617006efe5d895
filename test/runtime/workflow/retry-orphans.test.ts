// A worker is killed between the end of a step and that of its job, which goes back to its line; then the run is retried.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { openInspector } from "../../../runtime/inspect/index.js";
import { encodeRun, NEW_RUN } from "../../../runtime/protocol/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const queue = "slow";
const plain = defineTask("math:add", { queue } as never);
const limited = defineTask("math:add", { queue, concurrency: { limit: 1 } } as never);
const rated = defineTask("math:add", { queue, rateLimit: { limit: 9, perMs: 600_000 } } as never);
const GROUP = "math:add ";
const JOB = "r.s";
const ENTRY = `${"7".padStart(16, "0")} slow ${GROUP}`;

const listed =
  (group: string) =>
  async ({ raw, keys }: Project): Promise<void> => {
    await raw.rpush(keys.queue(queue).pending, JOB);
    await raw.hset(keys.limited, JOB, ENTRY);
    await raw.hset(keys.groups, GROUP, group);
  };

const places: readonly (readonly [string, typeof plain, (project: Project) => Promise<unknown>])[] = [
  ["the pending list", plain, ({ raw, keys }) => raw.rpush(keys.queue(queue).pending, JOB)],
  ["the due set", plain, ({ raw, keys }) => raw.zadd(keys.queue(queue).due, 9e12, JOB)],
  ["the pending list, with a slot", limited, listed("1")],
  [
    "the pending list, with the place of its start, while another job of the group runs",
    rated,
    listed("2 1"),
  ],
  [
    "the gate",
    limited,
    async ({ raw, keys }) => {
      await raw.zadd(keys.waiting, 0, `${GROUP}\n${ENTRY.slice(0, 21)} ${JOB}`);
      await raw.hset(keys.limited, JOB, ENTRY);
      await raw.hincrby(keys.groups, "#slow", 1);
    },
  ],
];

test.each(places)("from %s it is taken, and runs once", async (_name, task, put) => {
  const queues = ["default", queue].map((name) => ({ name, weight: 1 }));
  const project = setupProject({ redis, tasks: [task] as never, queues });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const { raw, keys } = project;
  const { pending } = keys.queue(queue);
  let [fails, calls] = [true, 0];
  const handlers = {
    "math:add": () => {
      if (fails) throw new PermanentError("not yet");
      calls += 1;
    },
  };
  const worker = await project.worker(handlers as never);
  const flow = workflow([{ name: "s", needs: [], job: jobOf(task as never) }]);
  const run = await start(project, flow, {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  await worker.stop();
  await raw.zrem(keys.dead, JOB);
  await raw.hset(keys.runs, JOB, encodeRun({ ...NEW_RUN, crashes: 1 }));
  await put(project);
  await raw.sadd(keys.cancels, JOB);

  fails = false;
  await inspector.retryRun(run.id);
  await project.worker(handlers as never, { queues: ["default"] });
  await until("the run to go on", async () => (await raw.hget(keys.workflows, "r :state")) === null);
  expect(await raw.lrange(pending, 0, -1)).toEqual([JOB]);
  // The slot of the other job alone, which only this test knows of.
  expect(task === rated ? await raw.hget(keys.groups, GROUP) : "1").toBe("1");
  if (task === rated) await raw.hdel(keys.groups, GROUP);
  expect(await raw.scard(keys.cancels)).toBe(0);
  await project.worker(handlers as never, { queues: [queue] });
  expect(await within(10_000, "the run to end", endOf(run))).toBe("completed");
  expect(calls).toBe(1);
  const next = await start(project, flow, {}, "next");
  expect(await within(10_000, "another run to end", endOf(next))).toBe("completed");
});
