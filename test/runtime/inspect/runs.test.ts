// What is shown of workflow runs: lists in pages, one run with its steps, and nothing sensitive.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import {
  createRedactor,
  HIDDEN,
  openInspector,
  type Inspector,
  type Redactor,
} from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, object, path, start, stored, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const job = (n = value(1)) => jobOf(add as never, n);

function setup(redactor?: Redactor): { project: Project; inspector: Inspector } {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({
    url: redis.url,
    prefix: project.prefix,
    ...(redactor === undefined ? {} : { redactor }),
  });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** Gives back what it was called with, and fails for what is negative, or for a text. */
function echoing(project: Project): Promise<unknown> {
  return project.worker({
    "math:add": ({ payload: { n } }: { payload: { n: number | string } }) => {
      if (typeof n === "string" || n < 0) throw new PermanentError(`no ${n}`);
      return n;
    },
    "math:undo": () => undefined,
  } as never);
}

test("runs are listed in pages: those that go on, then those that have ended, each the newest first", async () => {
  const { project, inspector } = setup();
  const one = workflow([{ name: "a", needs: [], job: job() }]);
  const other = workflow([{ name: "a", needs: [], job: job(value(-1)) }], { name: "other:flow" });
  const worker = await project.worker({
    "math:add": ({ payload: { n } }: { payload: { n: number } }) => {
      if (n < 0) throw new PermanentError("no");
    },
  } as never);
  for (const id of ["first", "second"]) await (await start(project, one, {}, id)).result();
  await endOf(await start(project, other, {}, "bad"));
  await worker.stop();
  await start(project, one, {}, "waits");

  const pages: string[][] = [];
  let next: string | undefined;
  do {
    const page = await inspector.listRuns({ limit: 3, ...(next === undefined ? {} : { cursor: next }) });
    pages.push(page.runs.map((run) => run.id));
    next = page.next;
  } while (next !== undefined);
  expect(pages).toEqual([["waits", "bad", "second"], ["first"]]);
  const ids = async (filter: object) => (await inspector.listRuns(filter)).runs.map(({ id }) => id);
  expect(await ids({ state: "running" })).toEqual(["waits"]);
  expect(await ids({ state: "failed" })).toEqual(["bad"]);
  expect(await ids({ workflow: "test:flow" })).toEqual(["waits", "second", "first"]);
  const [failed] = (await inspector.listRuns({ state: "failed" })).runs;
  expect(failed).toMatchObject({ workflow: "other:flow", error: "step a failed: PermanentError: no" });
  expect(failed!.removedAt! - failed!.endedAt!).toBeGreaterThan(590_000);
});

test("a run that goes on is shown with what each step waits for", async () => {
  const { project, inspector } = setup();
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await project.worker({
    "math:add": async ({ payload: { n } }: { payload: { n: number } }) => {
      if (n === 2) await released;
      return n;
    },
  } as never);
  const run = await start(
    project,
    workflow([
      { name: "a", needs: [], job: job() },
      { name: "b", needs: ["a"], job: job(value(2)) },
      { name: "cool", needs: ["a"], delayMs: 3_600_000 },
      { name: "last", needs: ["a", "b", "cool"], job: job() },
      { name: "any", needs: ["b", "cool"], join: 1, job: job() },
    ]),
    { x: 1 },
  );
  const show = async () => await inspector.showRun(run.id);
  const stateOf = async (name: string) => (await show()).steps.find((step) => step.name === name)?.state;
  await until("b to run", async () => (await stateOf("b")) === "active");
  await until("cool to wait", async () => (await stateOf("cool")) === "scheduled");
  const shown = await show();
  expect(shown).toMatchObject({
    id: run.id,
    workflow: "test:flow",
    state: "running",
    input: { x: 1 },
    hidden: false,
  });
  expect(shown.steps).toMatchObject([
    { name: "a", task: "math:add", state: "completed", result: 1, attempts: 1 },
    { name: "b", state: "active", job: `${run.id}.b` },
    { name: "cool", state: "scheduled" },
    { name: "last", state: "waiting", waitsFor: ["b", "cool"] },
    { name: "any", state: "waiting", waitsFor: ["b", "cool"], waitsForCount: 1 },
  ]);
  const [a] = shown.steps;
  expect(a!.endedAt! - a!.begunAt!).toBeGreaterThanOrEqual(0);
  release();
  await until("any to end", async () => (await stateOf("any")) === "completed");
});

test("a run that failed says at which step, counts the items, and names what undid a step", async () => {
  const { project, inspector } = setup();
  await echoing(project);
  const steps = [
    { name: "a", needs: [], job: job(), compensate: jobOf(undo as never) },
    {
      name: "each",
      needs: ["a"],
      forEach: path("input", "list"),
      job: job(path("item")),
      maxParallel: 1,
      onFailure: "compensate" as const,
    },
    { name: "last", needs: ["each"], job: job() },
  ];
  const run = await start(project, workflow(steps), { list: [1, 2, -3, 4] });
  expect(await endOf(run)).toBe("RunFailed");
  const shown = await inspector.showRun(run.id);
  expect(shown.state).toBe("failed");
  const [a, each, last] = shown.steps;
  expect(a).toMatchObject({ state: "completed", undoing: { task: "math:undo", state: "completed" } });
  expect(each!.items).toMatchObject({ total: 4, completed: 2, failed: 1, cancelled: 0 });
  expect(each!.items!.failures).toMatchObject([{ index: 2, failure: expect.stringContaining("no -3") }]);
  expect(last).toEqual({ name: "last", task: "math:add", state: "not-begun" });
});

test("what is sensitive is hidden wherever it turns up, also where only the task of a step calls it so", async () => {
  const secret = { type: "string", "x-sensitive": true };
  const tasks = new Map([["math:add", { payload: { properties: { n: secret } }, result: secret }]]);
  const workflows = new Map([["test:flow", { input: { properties: { name: secret } } }]]);
  const redactor = createRedactor(tasks as never, workflows);
  const { project, inspector } = setup(redactor);
  await echoing(project);
  const definition = workflow(
    [
      { name: "a", needs: [], job: job(value(424_242)) },
      { name: "b", needs: ["a"], job: job(path("input", "card")), onFailure: "continue" },
      { name: "c", needs: ["b"], job: job(path("input", "name")) },
    ],
    { output: object({}) },
  );
  const run = await start(project, definition, { name: "Ada Lovelace", card: "4111-1111" });
  expect(await endOf(run)).toBe("RunFailed");
  const shown = await inspector.showRun(run.id);
  expect(shown.steps[0]).toMatchObject({ result: HIDDEN });
  const text = JSON.stringify(shown);
  expect(text).toContain(`no ${HIDDEN}`);
  for (const held of ["Ada", "424242"]) expect(text).not.toContain(held);
  expect(shown.steps[1]!.failure).not.toContain("4111-1111");
  const [listed] = (await inspector.listRuns()).runs;
  expect(listed!.error).toBe("step c failed: PermanentError");
});

test.each([
  { forEach: path("input", "list"), where: "where its list stands" },
  { forEach: stored(["4111-1111"]), where: "by itself" },
])("the payload of an item that is known $where is hidden in its message", async ({ forEach }) => {
  const payload = { properties: { n: { type: "string", "x-sensitive": true } } };
  const { project, inspector } = setup(
    createRedactor(new Map([["math:add", { payload }]]) as never, new Map([["test:flow", { input: {} }]])),
  );
  await echoing(project);
  const each = { name: "each", needs: [], forEach, job: job(path("item")) };
  const run = await start(project, workflow([each]), { list: ["4111-1111"] });
  expect(await endOf(run)).toBe("RunFailed");
  const [step] = (await inspector.showRun(run.id)).steps;
  expect(step!.items!.failures).toMatchObject([{ failure: expect.stringContaining(`no ${HIDDEN}`) }]);
  expect(JSON.stringify(step)).not.toContain("4111-1111");
});

test("what a fan-out and what undoes it were made of is hidden in messages too", async () => {
  const payload = { properties: { n: { type: "string", "x-sensitive": true } } };
  const tasks = new Map([
    ["math:add", { payload: {} }],
    ["math:undo", { payload }],
  ]);
  const { project, inspector } = setup(
    createRedactor(tasks as never, new Map([["test:flow", { input: {} }]])),
  );
  await project.worker({
    "math:add": ({ payload: { n } }: { payload: { n: number } }) => {
      if (n < 0) throw new PermanentError("no");
    },
    "math:undo": ({ payload: { n } }: { payload: { n: string } }) => {
      throw new PermanentError(`no ${n}`);
    },
  } as never);
  const compensate = jobOf(undo as never, path("input", "card"));
  const definition = workflow([
    { name: "each", needs: [], forEach: path("input", "list"), job: job(path("item")), compensate },
    { name: "b", needs: ["each"], job: job(value(-1)), onFailure: "compensate" },
  ]);
  const run = await start(project, definition, { list: [1, 2], card: "4111-1111" });
  expect(await endOf(run)).toBe("RunFailed");
  const [each] = (await inspector.showRun(run.id)).steps;
  expect(each!.undoing!.failure).toContain(`no ${HIDDEN}`);
});

test("of a workflow that nobody knows, the input is hidden, and an unknown run is not found", async () => {
  const { project, inspector } = setup(createRedactor(new Map()));
  await echoing(project);
  const run = await start(project, workflow([{ name: "a", needs: [], job: job() }]), { name: "Ada" });
  await run.result();
  expect(await inspector.showRun(run.id)).toMatchObject({
    input: HIDDEN,
    hidden: true,
    steps: [{ result: HIDDEN }],
  });
  for (const id of ["nobody", `${run.id} a`, "@test:flow 0a1b2c3d"]) {
    await expect(inspector.showRun(id)).rejects.toThrow(/RunNotFound: no workflow run with the id/);
  }
});

test("a run that cannot be read is listed among others, and shown with that word", async () => {
  const { project, inspector } = setup();
  const { keys, raw } = project;
  const flow = workflow([{ name: "a", needs: [], job: job() }]);
  for (const id of ["well", "spoiled"]) await start(project, flow, {}, id);
  await raw.hset(keys.workflows, "spoiled", '[1,"secret');
  const { runs } = await inspector.listRuns();
  expect(new Map(runs.map(({ id, workflow: name }) => [id, name]))).toEqual(
    new Map([
      ["well", "test:flow"],
      ["spoiled", "?"],
    ]),
  );
  await expect(inspector.showRun("spoiled")).rejects.toThrow(
    /^StateConflict: what Redis holds of the workflow run spoiled is spoiled/,
  );
  await expect(inspector.showRun("spoiled")).rejects.not.toThrow(/secret/);
});
