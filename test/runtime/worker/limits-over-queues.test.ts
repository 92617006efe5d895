// A limit whose jobs are in several queues, served by different workers: who gives a slot back may not serve the queue of the next.
import { describe, expect, test } from "vitest";
import { PermanentError } from "../../../runtime/index.js";
import { commandCalls, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const queues = [
  { name: "default", weight: 1 },
  { name: "low", weight: 1 },
];
const JOBS = 16;
/** A worker that is told by its heartbeat alone takes that job by job: a minute for all. */
const SOON_MS = 25_000;
const rate = { limit: 1, perMs: 50 };

/** Jobs of the two queues in turn, and a worker for each. Returns how many have run. */
async function inTurn(parts: object, work: () => unknown = () => undefined): Promise<number> {
  const task = defineTask("one:work", parts as never);
  const project = setupProject({ redis, tasks: [task] as never, queues });
  let ran = 0;
  const handlers = {
    "one:work": () => {
      ran += 1;
      return work();
    },
  };
  for (const { name } of queues) await project.worker(handlers, { queues: [name], lease: "15s" });
  for (let n = 0; n < JOBS; n += 1) await project.enqueue(task, { n }, n % 2 === 0 ? {} : { queue: "low" });
  await until("all to have run", () => ran === JOBS, SOON_MS);
  return ran;
}

describe("the worker of the other queue hears at once that a slot is free", () => {
  test("when a job completes", async () => {
    expect(await inTurn({ concurrency: { limit: 1 } })).toBe(JOBS);
  });

  test("when a job goes dead", async () => {
    const ran = await inTurn({ concurrency: { limit: 1 } }, () => {
      throw new PermanentError("no");
    });
    expect(ran).toBe(JOBS);
  });

  test("when a job waits for its retry", async () => {
    const backoff = { type: "fixed", delayMs: 60_000, jitter: "none" };
    const ran = await inTurn({ concurrency: { limit: 1 }, retry: { maxRetries: 1, backoff } }, () => {
      throw new Error("no");
    });
    expect(ran).toBe(JOBS);
  });

  test("or from when on one may start", async () => {
    expect(await inTurn({ rateLimit: rate })).toBe(JOBS);
    expect(await inTurn({ concurrency: { limit: 1 }, rateLimit: rate })).toBe(JOBS);
  });

  test("when a step of a workflow ends", async () => {
    const task = defineTask("one:work", { concurrency: { limit: 1 } });
    const project = setupProject({ redis, tasks: [task] as never, queues });
    let ran = 0;
    const handlers = { "one:work": () => void (ran += 1) };
    const graphs = queues.map(({ name }) => {
      const limit = { name: "one:work ", limit: 1 };
      const job = { ...jobOf(task as never), queue: name, limit };
      return workflow([{ name: "a", needs: [], job }], { name: `in:${name}`, queue: name });
    });
    for (const { name } of queues)
      await project.worker(handlers, { queues: [name], lease: "15s", workflows: graphs as never });
    const runs = [];
    for (let n = 0; n < JOBS; n += 1) runs.push(await start(project, graphs[n % 2]!));
    await until("all to have run", () => ran === JOBS, SOON_MS);
    for (const run of runs) expect(await endOf(run)).toBe("completed");
  });
});

test("nothing is sent where nobody of another queue waits", async () => {
  const task = defineTask("one:work", { concurrency: { limit: 1 } });
  const project = setupProject({ redis, tasks: [task] as never, queues });
  let ran = 0;
  await project.worker({ "one:work": () => void (ran += 1) });
  const before = await commandCalls(project.raw, "ltrim");
  await project.many(
    task,
    Array.from({ length: 50 }, (_unused, n) => ({ n })),
  );
  await project.many(
    task,
    Array.from({ length: 50 }, (_unused, n) => ({ n })),
    { queue: "low" },
  );
  await until("all to have run", () => ran === 100);
  expect(await commandCalls(project.raw, "ltrim")).toBe(before);
});
