// What is shown of the jobs of workflow runs: their payloads stand in no record, and are hidden in their texts all the same.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError, type TaskContext } from "taskweft/generated-v1";
import { createRedactor, HIDDEN, openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import type { WorkflowDefinition, WorkflowStep } from "../../../runtime/definition/index.js";
import { progressField } from "../../../runtime/protocol/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  path,
  start,
  stored,
  value,
  workflow,
} from "../../support/workflow.js";

const CARD = "4111-1111";
const redis = await startRedis();
const plain = defineTask("math:plain");
const pay = defineTask("math:pay", { retry: { maxRetries: 0 } as never });
const plainJob = (n = value(1)) => jobOf(plain as never, n);
const payJob = (n = path("input", "card")) => jobOf(pay as never, n);

const secret = { type: "string", "x-sensitive": true };
const paySchemas = { payload: { properties: { n: secret } } };
const known = new Map<string, object>([
  ["math:plain", { payload: {} }],
  ["math:pay", paySchemas],
]);
const flows = new Map([
  ["test:flow", { input: {} }],
  ["test:inner", { input: {} }],
]);

function setup({ tasks = known, workflows = flows } = {}): { project: Project; inspector: Inspector } {
  const project = setupProject({ redis, tasks: [plain, pay] as never });
  const inspector = openInspector({
    url: redis.url,
    prefix: project.prefix,
    redactor: createRedactor(tasks, workflows),
  });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** `math:pay` tells its payload in every way that it has, and fails; `math:plain` gives back what it was called with. */
async function telling(project: Project): Promise<void> {
  await project.worker({
    "math:plain": ({ payload: { n } }: { payload: { n: unknown } }) => {
      if (n === "fail") throw new PermanentError("no");
      return n;
    },
    "math:pay": async ({ id, payload }: { id: string; payload: { n: unknown } }, ctx: TaskContext) => {
      const n = String(payload.n);
      ctx.log.info(`paying with ${n}`, { n });
      ctx.progress({ card: n });
      const { raw, keys } = project;
      await until(
        "the progress is stored",
        async () => (await raw.hexists(keys.notes, progressField(id))) === 1,
      );
      await ctx.step(`pay ${n}`, () => 1);
      throw new PermanentError(`no ${n}`);
    },
  } as never);
}

const child = workflow([{ name: "pay", needs: [], job: payJob() }], { name: "test:inner", hash: "1a2b3c4d" });

const CASES: readonly {
  what: string;
  id: string;
  steps: readonly WorkflowStep[];
  more?: Partial<WorkflowDefinition>;
}[] = [
  { what: "a step", id: "r.pay", steps: [{ name: "pay", needs: [], job: payJob() }] },
  {
    what: "a step that is made of the results of a fan-out",
    id: "r.pay",
    steps: [
      { name: "each", needs: [], forEach: path("input", "list"), job: plainJob(path("item")) },
      { name: "pay", needs: ["each"], job: payJob(path("steps", "each", "result")) },
    ],
  },
  {
    what: "an item of a list in the input",
    id: "r.each.0",
    steps: [
      {
        name: "each",
        needs: [],
        forEach: path("input", "list"),
        job: payJob(path("item")),
      },
    ],
  },
  {
    what: "an item that is stored by itself",
    id: "r.each.0",
    steps: [{ name: "each", needs: [], forEach: stored([CARD]), job: payJob(path("item")) }],
  },
  {
    what: "what undoes a step",
    id: "r.a.undo",
    steps: [
      { name: "a", needs: [], job: plainJob(), compensate: payJob() },
      { name: "b", needs: ["a"], job: plainJob(value("fail")), onFailure: "compensate" },
    ],
  },
  {
    what: "a step of a run that is a step",
    id: "r.ship-1.pay",
    steps: [{ name: "ship", needs: [], ...childOf(child, path("input")) }],
    more: children(child),
  },
];

test.each(CASES)("of $what, nothing sensitive is shown", async ({ id, steps, more }) => {
  const { project, inspector } = setup();
  await telling(project);
  const run = await start(project, workflow(steps, more), { card: CARD, list: [CARD] }, "r");
  expect(await endOf(run)).toBe("RunFailed");
  const job = await inspector.showJob(id);
  expect(job.timeline.at(-1)).toMatchObject({
    kind: "failed",
    message: expect.stringContaining(`no ${HIDDEN}`),
  });
  expect(job).toMatchObject({
    progress: { card: HIDDEN },
    log: { lines: [{ text: `paying with ${HIDDEN} n=${HIDDEN}` }] },
  });
  expect(job.steps).toEqual([{ name: `pay ${HIDDEN}`, bytes: 1 }]);
  const { jobs } = await inspector.listJobs({ task: "math:pay" });
  expect(jobs.map((one) => one.lastError)).toContain(`PermanentError: no ${HIDDEN}`);
  const { error, steps: shown } = await inspector.showRun("r");
  expect(JSON.stringify([job, jobs, error, shown])).not.toContain(CARD);
});

test.each([
  { what: "a workflow", without: { workflows: new Map() as typeof flows } },
  { what: "another task", without: { tasks: new Map([["math:pay", paySchemas]]) } },
])("where nobody knows what is sensitive in $what of the run, no text is shown", async ({ without }) => {
  const { project, inspector } = setup(without);
  await telling(project);
  const steps = [
    { name: "a", needs: [], job: plainJob(path("input", "card")) },
    { name: "pay", needs: ["a"], job: payJob(value("other")) },
  ];
  expect(await endOf(await start(project, workflow(steps), { card: CARD }, "r"))).toBe("RunFailed");
  const job = await inspector.showJob("r.pay");
  expect(job).toMatchObject({
    lastError: HIDDEN,
    progress: HIDDEN,
    steps: [{ name: HIDDEN }],
    log: { lines: [{ text: HIDDEN }] },
  });
  expect(job.timeline.at(-1)).toMatchObject({ message: HIDDEN, stack: HIDDEN });
  expect((await inspector.listJobs({ task: "math:pay" })).jobs).toMatchObject([{ lastError: HIDDEN }]);
  const shown = await inspector.showRun("r");
  expect(shown.error).toBe("step pay failed: PermanentError");
  expect(shown.steps[1]).toMatchObject({ failure: HIDDEN });
});

test("of a run that cannot be read, no text is shown, and its jobs are listed with others", async () => {
  const { project, inspector } = setup();
  await telling(project);
  const flow = workflow([{ name: "pay", needs: [], job: payJob() }]);
  for (const id of ["well", "spoiled"]) await endOf(await start(project, flow, { card: CARD }, id));
  const { raw, keys } = project;
  const record = (await raw.hget(keys.workflows, "spoiled"))!;
  await raw.hset(keys.workflows, "spoiled", '[1,"secret');
  expect(await inspector.showJob("spoiled.pay")).toMatchObject({ lastError: HIDDEN });
  const { jobs } = await inspector.listJobs();
  expect(new Map(jobs.map(({ id, lastError }) => [id, lastError]))).toEqual(
    new Map([
      ["well.pay", `PermanentError: no ${HIDDEN}`],
      ["spoiled.pay", HIDDEN],
    ]),
  );
  await raw.hset(keys.workflows, "spoiled", record);
});
