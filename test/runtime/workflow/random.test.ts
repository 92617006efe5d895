// 200 random workflows end as a small model says, whatever the order of time and whenever the events come: every run ends, no step
// that completed runs again, what is undone is undone once, and nothing of a run is left waiting.
import { expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { defineTask, setupProject } from "../../support/project.js";
import { differences, randomWorkflow } from "../../support/random-workflow.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom } from "../../support/signal.js";
import { emitter, endOf, outcomes, start } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");

test.each([1, 3])(
  "random workflows end as the model says, over %i shards",
  { timeout: 60_000 },
  async (shards) => {
    const seed = Number(process.env["WORKFLOW_SEED"] ?? Date.now() % 2 ** 31);
    const random = seededRandom(seed);
    const project = setupProject({ redis, tasks: [add, undo] as never, shards });
    const calls = new Map<string, number>();
    const count = (job: { id: string }) => calls.set(job.id, (calls.get(job.id) ?? 0) + 1);
    const handlers = {
      "math:add": async (job: { id: string; payload: { n: number } }) => {
        count(job);
        if (job.payload.n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (job.payload.n < 0) throw new PermanentError("no");
        return job.payload.n;
      },
      "math:undo": (job: { id: string }) => void count(job),
    };
    await project.worker(handlers as never, { concurrency: 7 });
    await project.worker(handlers as never, { concurrency: 50 });
    const emit = emitter(project);
    const made = Array.from({ length: shards === 1 ? 200 : 100 }, (_unused, n) =>
      randomWorkflow(random, `w${n}`, { add, undo, events: true } as never),
    );
    const found = await Promise.all(
      made.map(async (one) => {
        const run = await start(project, one.definition);
        await Promise.all(
          one.events.map(async (key) => {
            if (random() < 0.7) await new Promise((resolve) => setTimeout(resolve, random() * 200));
            await emit({ key });
          }),
        );
        return differences(one, await endOf(run), await outcomes(project, run.id));
      }),
    );
    expect(found.flat(), `seed ${seed}`).toEqual([]);
    for (const { raw, keys } of project.shards)
      expect(await raw.exists(keys.listeners, keys.queue("default").due)).toBe(0);
    expect([...calls].filter(([, times]) => times !== 1)).toEqual([]);
  },
);
