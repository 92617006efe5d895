// 200 random workflows end as a small model says, whatever the order of time and whenever the events come, some of them cancelled at
// some point: every run ends, no step that completed runs again, what is undone is undone once, and nothing of a run is left waiting.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, setupProject } from "../../support/project.js";
import { differences, randomWorkflow } from "../../support/random-workflow.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom } from "../../support/signal.js";
import { emitter, endOf, outcomes, start } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");

test("random workflows end as the model says", { timeout: 60_000 }, async () => {
  const seed = Number(process.env["WORKFLOW_SEED"] ?? Date.now() % 2 ** 31);
  const random = seededRandom(seed);
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
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
  const made = Array.from({ length: 200 }, (_unused, n) =>
    randomWorkflow(random, `w${n}`, { add, undo, events: true } as never),
  );
  const ends = new Map<string, number>();
  const found = await Promise.all(
    made.map(async (one) => {
      const run = await start(project, one.definition);
      const turns = Math.floor(random() * 200);
      const cancelling = turns < 60 ? cancelSoon(inspector, run.id, turns) : Promise.resolve(false);
      await Promise.all(
        one.events.map(async (key) => {
          if (random() < 0.7) await new Promise((resolve) => setTimeout(resolve, random() * 200));
          await emit({ key });
        }),
      );
      const cancels = await cancelling;
      const end = await endOf(run);
      ends.set(end, (ends.get(end) ?? 0) + 1);
      return differences(one, end, await outcomes(project, run.id), undefined, cancels);
    }),
  );
  expect(found.flat(), `seed ${seed}`).toEqual([]);
  expect([...ends.keys()].toSorted()).toEqual(["RunCancelled", "RunFailed", "completed"]);
  expect(await project.raw.exists(project.keys.listeners, project.keys.queue("default").due)).toBe(0);
  expect([...calls].filter(([, times]) => times !== 1)).toEqual([]);
});

/** At some point of its life; true if the run has to end as cancelled now: it may have ended or failed by then. */
async function cancelSoon(inspector: Inspector, run: string, turns: number): Promise<boolean> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  const state = await inspector.cancelRun(run).catch((error: unknown) => {
    if (!String(error).includes("StateConflict")) throw error;
    return undefined;
  });
  return state === "cancelling";
}
