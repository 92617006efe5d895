// Progress: the latest value counts, few writes carry many values, and what is no progress is refused at the call.
import { describe, expect, test } from "vitest";
import type { TaskContext } from "taskweft/generated-v1";
import { noteScript } from "../../../runtime/scripts/index.js";
import { monitor } from "../../support/monitor.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();
const report = defineTask("report:work", { timeoutMs: 60_000 });
const setup = (): Project => setupProject({ redis, tasks: [report] as never });

async function progressOf(project: Project, id: string): Promise<unknown> {
  const text = await project.raw.hget(project.keys.notes, `${id} progress`);
  return text === null ? undefined : (JSON.parse(text) as unknown);
}

test("of many jobs and many values the latest of each arrives, in at most four writes a second", async () => {
  const project = setup();
  const end = signal();
  let writes = 0;
  const watching = await monitor(redis.port, (args) => {
    if (args[1] === noteScript.sha && args.includes(project.keys.notes)) writes += 1;
  });
  const stopAt = performance.now() + 800;
  await project.worker({
    "report:work": async (job: { payload: { n: number } }, ctx: TaskContext) => {
      while (performance.now() < stopAt) {
        ctx.progress(Math.random());
        await new Promise((resolve) => setImmediate(resolve));
      }
      ctx.progress(50 + job.payload.n);
      await end.promise;
    },
  } as never);
  const jobs = await project.many(
    report,
    Array.from({ length: 8 }, (_unused, n) => ({ n })),
  );
  for (const [n, { id }] of jobs.entries()) {
    await until(`the last value of job ${n}`, async () => (await progressOf(project, id)) === 50 + n);
  }
  watching.close();
  expect(writes).toBeGreaterThanOrEqual(2);
  expect(writes).toBeLessThanOrEqual(6);
  end.send();
  await Promise.all(jobs.map((job) => job.result()));
  expect(await project.raw.exists(project.keys.notes)).toBe(0);
});

test("an object is kept as it is, and stays with the job that died", async () => {
  const project = setup();
  const go = signal();
  await project.worker({
    "report:work": async (_job, ctx) => {
      ctx.progress({ phase: "rows", done: 3 });
      await go.promise;
      throw new Error("half way");
    },
  });
  const job = await project.enqueue(report, { n: 1 });
  await until("it to be written", async () => (await progressOf(project, job.id)) !== undefined);
  go.send();
  await rejection(job.result());
  expect(await progressOf(project, job.id)).toEqual({ phase: "rows", done: 3 });
});

test("a deaf attempt that timed out cannot report over the next one on the same worker", async () => {
  const hasty = defineTask("hasty:work", {
    timeoutMs: 50,
    // More than one: on a busy machine the attempt that reports may time out as well.
    retry: { maxRetries: 100, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
  });
  const project = setupProject({ redis, tasks: [hasty, report] as never });
  const [again, end] = [signal(), signal()];
  let left: TaskContext | undefined;
  await project.worker({
    "hasty:work": async (job, ctx) => {
      if (job.attempt === 1) {
        left = ctx;
        await end.promise;
        return;
      }
      again.send();
      await end.promise;
    },
    "report:work": (_job, ctx) => {
      // Both are written by one call, if they are.
      left?.progress(90);
      ctx.progress(5);
      return end.promise;
    },
  });
  const first = await project.enqueue(hasty, { n: 1 });
  await again.promise;
  const other = await project.enqueue(report, { n: 2 });
  await until("the other's to be written", async () => (await progressOf(project, other.id)) === 5);
  expect(await progressOf(project, first.id)).toBeUndefined();
  end.send();
  await Promise.all([first.result(), other.result()]);
});

describe("what is no progress is refused at the call:", () => {
  const refused: readonly (readonly [string, unknown, RegExp])[] = [
    ["NaN", NaN, /progress: expected a number from 0 to 100, or an object, got NaN/],
    ["text", "half", /got 'half'/],
    ["a list", [1], /got \[ 1 \]/],
    ["null", null, /got null/],
    ["what has no JSON", { n: 1n }, /expected a number from 0 to 100, or an object/],
    ["what is text in JSON", new Date(0), /expected a number from 0 to 100, or an object/],
    ["a large object", { text: "x".repeat(5000) }, /expected at most 4096 bytes of JSON, got 5011/],
  ];
  test.each(refused)("%s", async (_what, value, message) => {
    const project = setup();
    await project.worker({ "report:work": (_job, ctx) => ctx.progress(value as number) });
    const error = await rejection((await project.enqueue(report, { n: 1 })).result());
    expect(error.message).toMatch(message);
  });
});

test("a number beyond 0 and 100 is cut to it", async () => {
  const project = setup();
  const end = signal();
  await project.worker({
    "report:work": async (job: { payload: { n: number } }, ctx: TaskContext) => {
      ctx.progress(job.payload.n);
      await end.promise;
    },
  } as never);
  const [under, over] = await project.many(report, [{ n: -0.1 }, { n: 100.000001 }]);
  await until("both", async () => (await project.raw.hlen(project.keys.notes)) === 2);
  expect(await progressOf(project, under!.id)).toBe(0);
  expect(await progressOf(project, over!.id)).toBe(100);
  end.send();
  await Promise.all([under!.result(), over!.result()]);
});
