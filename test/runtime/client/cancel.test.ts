// What a handle cancels: the job or the run that was stored, with the same refusals as `weft`.
import { describe, expect, test } from "vitest";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const work = defineTask("some:work", { retention: { completedMs: 60_000, deadMs: 5000 } as never });
const setup = (shards = 1): Project => setupProject({ redis, tasks: [work] as never, shards });

/** A handler that runs until it is told to stop. */
function holding(running: { send(value: void): void }) {
  return (_job: unknown, { signal: stop }: { signal: AbortSignal }): Promise<never> => {
    running.send();
    return new Promise((_resolve, reject) =>
      stop.addEventListener("abort", () => reject(stop.reason as Error)),
    );
  };
}

describe("the handle of a job", () => {
  test.each([1, 3])(
    "cancels it while it waits, and it is kept as its task says (%i shards)",
    async (shards) => {
      const project = setup(shards);
      const job = await project.enqueue(work, { n: 1 });
      const before = Date.now();
      expect(await job.cancel()).toBe("cancelled");
      const { raw, keys } = project.shardOf(job.id);
      const removal = Number(await raw.zscore(keys.done, job.id)) - before;
      expect(removal).toBeGreaterThan(4000);
      expect(removal).toBeLessThan(10_000);
      expect(await rejection(job.result())).toMatchObject({ code: "JobCancelled" });
      expect(await rejection(job.cancel())).toMatchObject({ code: "StateConflict" });
    },
  );

  test("cancels the job that was there, later or not", async () => {
    const project = setup();
    const first = await project.enqueue(work, { n: 1 }, { id: "mine", delay: "1h" });
    const again = await project.enqueue(work, { n: 1 }, { id: "mine", delay: "1h" });
    expect(again.deduplicated).toBe(true);
    expect(await again.cancel()).toBe("cancelled");
    expect(await project.state(first.id)).toBe("cancelled");
  });

  test("asks for the end of one that runs, whose handler is aborted", async () => {
    const project = setup();
    const running = signal<void>();
    await project.worker({ "some:work": holding(running) } as never);
    const job = await project.enqueue(work, { n: 1 });
    await running.promise;
    expect(await job.cancel()).toBe("requested");
    expect(await rejection(job.result())).toMatchObject({ code: "JobCancelled" });
  });

  test("says that there is no such job any more, and that its client is closed", async () => {
    const project = setup();
    const client = project.newClient();
    const job = await project.enqueue(work, { n: 1 }, { client });
    await project.raw.del(project.keys.jobs, project.keys.queue("default").pending);
    expect(await rejection(job.cancel())).toMatchObject({ code: "JobNotFound" });
    await client.close();
    expect(await rejection(job.cancel())).toMatchObject({ code: "Closed" });
  });
});

describe("the handle of a run", () => {
  const steps = [
    { name: "runs", needs: [], job: jobOf(work as never) },
    { name: "sleeps", needs: [], delayMs: 3_600_000 },
    { name: "comes", needs: ["runs", "sleeps"], job: jobOf(work as never) },
  ];

  test.each([1, 3])("stops what runs and what waits (%i shards)", async (shards) => {
    const project = setup(shards);
    const running = signal<void>();
    await project.worker({ "some:work": holding(running) } as never);
    const run = await start(project, workflow(steps));
    await running.promise;
    expect(await run.cancel()).toBe("cancelling");
    expect(await endOf(run)).toBe("RunCancelled");
    const refused = await rejection(run.cancel());
    expect(refused).toMatchObject({ code: "StateConflict" });
    expect(refused.message).toContain("it is cancelled");
  });

  test("stops the run that was there, of whatever deploy", async () => {
    const project = setup();
    const run = await start(project, workflow(steps), {}, "mine");
    const again = await start(project, workflow(steps, { hash: "99999999" }), {}, "mine");
    expect(again.deduplicated).toBe(true);
    expect(await again.cancel()).toBe("cancelling");
    await project.worker({ "some:work": () => undefined } as never);
    expect(await endOf(run)).toBe("RunCancelled");
  });

  test("does not cancel a step behind its run's back, nor a run that is gone", async () => {
    const project = setup();
    const run = await start(project, workflow(steps), {}, "mine");
    const step = await rejection(project.client.cancelJob("mine.runs", 0));
    expect(step).toMatchObject({ code: "StateConflict" });
    await project.raw.flushdb();
    expect(await rejection(run.cancel())).toMatchObject({ code: "RunNotFound" });
  });
});
