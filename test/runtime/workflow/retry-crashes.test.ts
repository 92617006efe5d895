// A worker dies at each of its calls to Redis in turn while it lets a retried run go on: the run completes all the same, and what had
// completed before is not run again.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { openInspector } from "../../../runtime/inspect/index.js";
import { bury, Life, SILENT } from "../../support/mortal-worker.js";
import { defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { within } from "../../support/signal.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  path,
  start,
  stored,
  value,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const job = (n = value(1)) => jobOf(add as never, n);
const HANGS_MS = 20_000;
/** No time passes here, and a thread for the lease of each of many workers would take longer than all that they do. */
const TIMELESS = { lease: "60s", maxBlock: 0 } as const;

const inner = workflow(
  [
    { name: "a", needs: [], job: job(path("input", "n")) },
    { name: "b", needs: ["a"], job: job(path("input", "m")) },
  ],
  { name: "test:inner", hash: "1a1a1a1a" },
);
const asRun = (m = value(1)) => childOf(inner, object({ n: value(1), m }));
const undoing = { compensate: jobOf(undo as never) };

const shapes = {
  // Jobs, and fan-outs of jobs.
  jobs: {
    steps: [
      { name: "kept", needs: [], job: job() },
      { name: "undone", needs: [], forEach: stored([1, 2, 3]), job: job(path("item")), ...undoing },
      { name: "passed", needs: ["kept", "undone"], job: job() },
      {
        name: "each",
        needs: ["kept", "passed"],
        forEach: value([1, -2, 3]),
        maxParallel: 1,
        job: job(path("item")),
      },
      { name: "last", needs: ["each", "undone"], job: job(value(-1)) },
    ],
    /** More than the worker makes until the run has gone on. */
    calls: 16,
  },
  // Runs, of which some fail, some have completed, and one was undone.
  runs: {
    steps: [
      { name: "kept", needs: [], ...asRun() },
      { name: "undone", needs: ["kept"], ...asRun(), ...undoing },
      { name: "ship", needs: ["undone"], ...asRun(value(-1)) },
      { name: "each", needs: ["kept"], forEach: stored([1, -2, 3]), maxParallel: 1, ...asRun(path("item")) },
      { name: "last", needs: ["each", "ship"], job: job() },
    ],
    calls: 30,
  },
} as const;

const plays = (["jobs", "runs"] as const).flatMap((shape) =>
  (["unsent", "unanswered"] as const).map((death) => [shape, death] as const),
);

test.each(plays)("%s: dies %s", { timeout: 240_000 }, async (shape, death) => {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const completed = new Map<string, number>();
  let broken = true;
  const handlers = (life?: Life) => ({
    "math:add": async ({ id, payload: { n } }: { id: string; payload: { n: number } }) => {
      if (life?.dead === true) return await new Promise(() => undefined);
      if (n < 0 && broken) throw new PermanentError("no");
      completed.set(id, (completed.get(id) ?? 0) + 1);
      return n;
    },
    "math:undo": () => undefined,
  });
  const { calls } = shapes[shape];
  const steps = shapes[shape].steps.map((step) => ({ onFailure: "compensate" as const, ...step }));
  for (let nth = 1; nth <= calls; nth++) {
    broken = true;
    const first = await project.worker(handlers() as never, TIMELESS);
    const run = await start(project, workflow(steps, children(inner)));
    expect(await endOf(run)).toBe("RunFailed");
    await first.stop();
    // What is undone runs again: a job under its id, a run under another.
    const before = [...completed].filter(([id]) => !id.startsWith(`${run.id}.undone.`));
    broken = false;
    const life = new Life();
    const options = { ...TIMELESS, logger: SILENT, redis: { connectionName: life.connectionName } };
    const mortal = await project.worker(handlers(life) as never, options as never);
    life.worker = mortal;
    life.endAt(nth, death);
    await inspector.retryRun(run.id);
    const ended = endOf(run);
    await within(HANGS_MS, `the death at call ${nth}, or the end`, Promise.race([life.ended.promise, ended]));
    if (life.over) await bury(project, mortal, redis.url);
    else life.goOn();
    const last = await project.worker(handlers() as never, TIMELESS);
    expect(await within(HANGS_MS, `the run to end after a death at call ${nth}`, ended)).toBe("completed");
    await last.stop();
    if (!life.over) await mortal.stop();
    const after = before.map(([id]) => [id, completed.get(id)]);
    expect(after, `call ${nth}`).toEqual(before);
  }
});
