// How many runs were started and have ended, wherever that happens.
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { createWorker, metricsText } from "../../../runtime/index.js";
import { parseExposition } from "../../support/exposition.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  path,
  start,
  value,
  workflow,
} from "../../support/workflow.js";
import { FLOW, QUEUES, registry, TASKS, THREAD } from "../worker/isolated-registry.js";

const redis = await startRedis();

/** Runs of a workflow that were started, and how many ended in each state. */
async function runsOf(workflow: string): Promise<Readonly<Record<string, number>>> {
  const metrics = parseExposition(await metricsText());
  const started = metrics.value("taskweft_run_started_total", { workflow });
  const ends = metrics.labels("taskweft_run_ended_total").filter((labels) => labels["workflow"] === workflow);
  return {
    started,
    ...Object.fromEntries(ends.map((end) => [end["state"], metrics.value("taskweft_run_ended_total", end)])),
  };
}

test("runs are counted when they start and end, and so are those that are steps of others", async () => {
  const task = defineTask("some:work");
  const project = setupProject({ redis, tasks: [task] as never });
  const own = randomBytes(4).toString("hex");
  const job = jobOf(task as never, path("input", "n"));
  const inner = workflow([{ name: "a", needs: [], job }], { name: `in${own}:flow`, hash: "11111111" });
  const steps = [0, 1].map((n) => ({
    name: `s${n}`,
    needs: [],
    ...childOf(inner, object({ n: value(n) })),
  }));
  const outer = workflow(steps, { name: `out${own}:flow`, ...children(inner) });
  await project.worker({
    [task.name]: ({ payload }: { payload: { n: number } }) => {
      if (payload.n === 1) throw new PermanentError("no");
    },
  } as never);
  expect(await endOf(await start(project, outer))).toBe("RunFailed");
  // The worker counts it when it hears that it has written the end, which others may read before.
  await until("the end to be counted", async () => (await runsOf(outer.name))["failed"] === 1);
  expect(await runsOf(outer.name)).toEqual({ started: 1, failed: 1 });
  expect(await runsOf(inner.name)).toEqual({ started: 2, completed: 1, failed: 1 });
});

test("runs that a thread has started are counted in its worker", async () => {
  const project = setupProject({ redis, tasks: TASKS as never, queues: QUEUES });
  const { url } = redis;
  const worker = createWorker(registry, { url, prefix: project.prefix, logger: project.logger });
  onTestFinished(() => worker.stop());
  await worker.start();
  const job = await project.enqueue(THREAD, { do: "starts a run" });
  await within(30_000, "the job", job.result());
  expect((await runsOf(FLOW.name))["started"]).toBe(1);
}, 60_000);
