// 200 random workflows end as a small model says, whatever the order of time and whenever the events come, some of them cancelled at
// some point, and retried until they complete: every run ends, no step that completed runs again unless it was undone, and then once,
// and nothing of a run is left waiting.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import {
  differences,
  differencesOfRetried,
  type RandomWorkflow,
  randomWorkflow,
} from "../../support/random-workflow.js";
import { startRedis } from "../../support/redis.js";
import { seededRandom, until } from "../../support/signal.js";
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
    const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards });
    onTestFinished(() => inspector.close());
    /** How often each job completed. */
    const completed = new Map<string, number>();
    const failed = new Set<string>();
    const repaired = new Set<string>();
    const count = ({ id }: { id: string }) => completed.set(id, (completed.get(id) ?? 0) + 1);
    const handlers = {
      "math:add": async (job: { id: string; payload: { n: number } }) => {
        if (job.payload.n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (job.payload.n < 0 && !repaired.has(job.id.split(".")[0]!)) {
          failed.add(job.id);
          throw new PermanentError("no");
        }
        count(job);
        return job.payload.n;
      },
      "math:undo": count,
    };
    await project.worker(handlers as never, { concurrency: 7 });
    await project.worker(handlers as never, { concurrency: 50 });
    const emit = emitter(project);
    const made = Array.from({ length: shards === 1 ? 200 : 100 }, (_unused, n) =>
      randomWorkflow(random, `w${n}`, { add, undo, events: true, children: true } as never),
    );
    const ends = new Map<string, number>();
    const tell = async ({ events }: RandomWorkflow): Promise<void> => {
      const later = events.map(async (key) => {
        if (random() < 0.7) await new Promise((resolve) => setTimeout(resolve, random() * 200));
        await emit({ key });
      });
      await Promise.all(later);
    };
    const play = async (one: RandomWorkflow): Promise<readonly string[]> => {
      const run = await start(project, one.definition);
      const chance = random();
      const cancelling = random() < 0.3 ? cancelSoon(inspector, run.id, Math.floor(60 * chance)) : false;
      await tell(one);
      const cancels = await cancelling;
      let end = await endOf(run);
      ends.set(end, (ends.get(end) ?? 0) + 1);
      const found = differences(one, end, await outcomes(project, run.id), undefined, cancels);
      // A wait in vain stays one, however often it is tried.
      const inVain = one.definition.steps.some(
        ({ name, waitFor, onFailure }) =>
          waitFor !== undefined && one.failing.has(name) && onFailure !== "continue",
      );
      if (end === "completed" || inVain || chance < 0.2) return found;
      repaired.add(run.id);
      for (let again = 0; end !== "completed" && again < 5; again++) {
        await inspector.retryRun(run.id);
        if (again < 3 && random() < 0.4) await cancelSoon(inspector, run.id, Math.floor(40 * chance));
        // What came while it had ended was not heard.
        else await untilItListens(project, run.id);
        await tell(one);
        end = await endOf(run);
      }
      return [...found, ...differencesOfRetried(one, await outcomes(project, run.id))];
    };
    const found = await Promise.all(made.map(play));
    expect(found.flat(), `seed ${seed}`).toEqual([]);
    expect([...ends.keys()].toSorted()).toEqual(["RunCancelled", "RunFailed", "completed"]);
    for (const { raw, keys } of project.shards)
      expect(await raw.exists(keys.listeners, keys.queue("default").due)).toBe(0);
    // Once, and once more for each time that it was undone and the run retried.
    const wrong = [...completed].filter(([id, times]) => {
      const [run = "", step] = id.split(".");
      const undone = completed.get(`${run}.${step}.undo`) ?? 0;
      return !id.endsWith(".undo") && !failed.has(id) && times !== (repaired.has(run) ? 1 + undone : 1);
    });
    expect(wrong, `seed ${seed}`).toEqual([]);
  },
);

async function untilItListens(project: Project, run: string): Promise<void> {
  const { raw, keys } = project.shards[project.router.ofId(run)]!;
  const state = () => raw.hget(keys.workflows, `${run} :state`);
  await until("the run to go on", async () => (await state()) !== "retrying");
}

/** At some point of its life; true if the run has to end as cancelled now: it may have ended or failed by then. */
async function cancelSoon(inspector: Inspector, run: string, turns: number): Promise<boolean> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  const state = await inspector.cancelRun(run).catch((error: unknown) => {
    if (!String(error).includes("StateConflict")) throw error;
    return undefined;
  });
  return state === "cancelling";
}
