// Steps that are runs, where an operator steps in: cancelling, retrying and skipping, of the parent and of the run itself.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import {
  createRedactor,
  openInspector,
  type Inspector,
  type RunListOptions,
} from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import {
  childOf,
  children,
  endOf,
  jobOf,
  object,
  outcomes,
  path,
  start,
  value,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const step = (name: string, needs: string[] = [], n = value(1), more = {}) => ({
  name,
  needs,
  job: jobOf(add as never, n),
  ...more,
});
const undoing = (n = value(1)) => ({ compensate: jobOf(undo as never, n) });

/** Does its input, and then that and 100 more. */
const inner = workflow(
  [
    step("a", [], path("input", "n"), undoing(path("input", "n"))),
    step("b", ["a"], path("input", "m"), { onFailure: "fail" }),
  ],
  { name: "test:inner", hash: "11111111", output: object({ sum: path("steps", "b", "result") }) },
);
const asRun = (name: string, n: number, m: number, more = {}, needs: string[] = []) => ({
  name,
  needs,
  ...childOf(inner, object({ n: value(n), m: value(m) })),
  ...more,
});
const outer = (steps: WorkflowDefinition["steps"], more: Partial<WorkflowDefinition> = {}) =>
  workflow(steps, { ...children(inner), ...more });

interface Job {
  readonly payload: { readonly n: number };
}

/** Fails for what is in `broken`; what is negative holds on until it is told to stop. */
async function setup(): Promise<{
  project: Project;
  inspector: Inspector;
  seen: number[];
  undone: number[];
  broken: Set<number>;
}> {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [seen, undone, broken] = [[] as number[], [] as number[], new Set<number>()];
  await project.worker({
    "math:add": async ({ payload: { n } }: Job, { signal: stop }: { signal: AbortSignal }) => {
      seen.push(n);
      if (broken.has(n)) throw new PermanentError(`no ${n}`);
      if (n < 0)
        await new Promise((_resolve, reject) => stop.addEventListener("abort", () => reject(stop.reason)));
      return n * 10;
    },
    "math:undo": ({ payload: { n } }: Job) => void undone.push(n),
  } as never);
  return { project, inspector, seen, undone, broken };
}

const has = async (seen: readonly number[], ...wanted: number[]) =>
  await until(`${wanted.join(", ")} begins`, () => wanted.every((n) => seen.includes(n)));

test("cancelling a run cancels the runs of its steps, which undo themselves, and waits for them", async () => {
  const { project, inspector, seen, undone } = await setup();
  const middle = workflow([asRun("down", 3, -3)], {
    name: "test:middle",
    hash: "22222222",
    ...children(inner),
  });
  const steps = [
    step("first", [], value(1), undoing(value(11))),
    asRun("ship", 2, -2, undoing(value(12)), ["first"]),
    { name: "deep", needs: ["first"], ...childOf(middle) },
    {
      name: "each",
      needs: ["first"],
      forEach: value([-4, -5]),
      ...childOf(inner, object({ n: value(4), m: path("item") })),
    },
    asRun("never", 6, 6, {}, ["ship"]),
  ];
  const run = await start(project, outer(steps, children(inner, middle)), {}, "r");
  await has(seen, -2, -3, -4, -5);
  expect(await inspector.cancelRun("r")).toBe("cancelling");
  expect(await endOf(run)).toBe("RunCancelled");
  expect(undone.toSorted((x, y) => x - y)).toEqual([2, 3, 4, 4, 11]);
  expect(undone.at(-1)).toBe(11);
  expect(await outcomes(project, "r")).toMatchObject({
    first: "completed",
    ship: "cancelled",
    deep: "cancelled",
  });
  for (const id of ["r.ship-1", "r.deep-1", "r.deep-1.down-1", "r.each-1.0", "r.each-1.1"])
    expect(await inspector.showRun(id)).toMatchObject({ state: "cancelled" });
  const { pending, due } = project.keys.queue("default");
  expect(await project.raw.exists(project.keys.running, pending, due)).toBe(0);
});

test("a run that was cancelled with its steps goes on from where these were", async () => {
  const { project, inspector, seen, undone } = await setup();
  const plain = workflow([step("a", [], path("input", "n")), step("b", ["a"], path("input", "m"))], {
    name: "test:inner",
    hash: "33333333",
  });
  const steps = [{ name: "ship", needs: [], ...childOf(plain, object({ n: value(1), m: value(-2) })) }];
  const run = await start(project, workflow(steps, children(plain)), {}, "r");
  await has(seen, -2);
  await inspector.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
  seen.length = 0;
  await inspector.retryRun("r");
  await has(seen, -2);
  expect(seen).toEqual([-2]);
  await inspector.cancelRun("r");
  expect(await endOf(run)).toBe("RunCancelled");
  expect(undone).toEqual([]);
});

test("cancelling the run of a step alone fails the step", async () => {
  const { project, inspector, seen, undone } = await setup();
  const steps = [asRun("ship", 1, -1, { onFailure: "continue" }), step("last", ["ship"], value(7))];
  const run = await start(project, outer(steps), {}, "r");
  await has(seen, -1);
  await inspector.cancelRun("r.ship-1");
  expect(await endOf(run)).toBe("completed");
  expect(undone).toEqual([1]);
  expect(await outcomes(project, "r")).toEqual({ ship: "failed", last: "completed" });
  const [ship] = (await inspector.showRun("r")).steps;
  expect(ship?.failure).toBe("RunCancelled: r.ship-1: the run was cancelled");
});

test("a retried run lets the run of a failed step go on; what had completed in it does not run again", async () => {
  const { project, inspector, seen, broken } = await setup();
  broken.add(2).add(4);
  const steps = [
    asRun("good", 5, 6),
    asRun("ship", 1, 2, {}, ["good"]),
    {
      name: "each",
      needs: ["good"],
      forEach: value([3, 4, 8]),
      maxParallel: 1,
      ...childOf(inner, object({ n: value(30), m: path("item") })),
    },
  ];
  const output = object({ ship: path("steps", "ship", "result"), each: path("steps", "each", "result") });
  const run = await start(project, outer(steps, { output }), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.retryRun("r");
  expect(await endOf(run)).toBe("RunFailed");
  broken.clear();
  seen.length = 0;
  await inspector.retryRun("r");
  expect(await run.result()).toEqual({ ship: { sum: 20 }, each: [{ sum: 30 }, { sum: 40 }, { sum: 80 }] });
  // Of the item that had not begun both steps run.
  expect(seen.toSorted((x, y) => x - y)).toEqual([2, 4, 8, 30]);
  const ids = (await inspector.listRuns({})).runs.map(({ id }) => id);
  expect(ids.toSorted()).toEqual(["r", "r.each-1.0", "r.each-1.1", "r.each-1.2", "r.good-1", "r.ship-1"]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
});

test("a step that was undone, or whose needs run again, is another run", async () => {
  const { project, inspector, seen, undone, broken } = await setup();
  broken.add(9).add(4);
  const steps = [
    asRun("ship", 1, 2, undoing(path("steps", "ship", "result", "sum"))),
    asRun("after", 3, 4, { onFailure: "compensate" }, ["ship"]),
  ];
  const run = await start(project, outer(steps), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  expect(undone).toEqual([20]);
  broken.clear();
  seen.length = 0;
  await inspector.retryRun("r");
  await run.result();
  expect(seen).toEqual([1, 2, 3, 4]);
  const shown = (await inspector.showRun("r")).steps.map((one) => one.run);
  expect(shown).toEqual(["r.ship-2", "r.after-2"]);
  expect(await inspector.showRun("r.after-1")).toMatchObject({ state: "failed" });
});

test("a run of a step goes on with its parent only, and the refusal says so", async () => {
  const { project, inspector, broken } = await setup();
  broken.add(2);
  const steps = [asRun("ship", 1, 2)];
  const run = await start(project, outer(steps), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  await expect(inspector.retryRun("r.ship-1")).rejects.toThrow(
    "the run r.ship-1 is the step ship of the run r: call weft runs retry r, with which this run goes on",
  );
  await expect(inspector.skipStep("r.ship-1", "b", null)).rejects.toThrow(
    "call weft runs skip r ship RESULT, with what the whole run r.ship-1 should have given",
  );
});

test("a step that is a run, and an item that is one, may be skipped with a result", async () => {
  const { project, inspector, seen, broken } = await setup();
  broken.add(2).add(4);
  const steps = [
    asRun("ship", 1, 2),
    {
      name: "each",
      needs: ["ship"],
      forEach: value([3, 4]),
      ...childOf(inner, object({ n: value(30), m: path("item") })),
    },
  ];
  const output = object({ ship: path("steps", "ship", "result"), each: path("steps", "each", "result") });
  const run = await start(project, outer(steps, { output }), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.skipStep("r", "ship", { sum: 1 });
  expect(await endOf(run)).toBe("RunFailed");
  seen.length = 0;
  await inspector.skipStep("r", "each.1", { sum: 2 });
  expect(await run.result()).toEqual({ ship: { sum: 1 }, each: [{ sum: 30 }, { sum: 2 }] });
  expect(seen).toEqual([]);
});

test("lists and pictures of runs say what belongs to what", async () => {
  const { project, inspector, seen, broken } = await setup();
  broken.add(4);
  const steps = [
    asRun("ship", 1, -1),
    {
      name: "each",
      needs: [],
      forEach: value([3, 4]),
      onFailure: "continue" as const,
      ...childOf(inner, object({ n: value(30), m: path("item") })),
    },
  ];
  const run = await start(project, outer(steps), {}, "r");
  await has(seen, -1);
  await until(
    "the items have ended",
    async () => (await project.raw.hexists(project.keys.workflows, "r each")) === 1,
  );
  const { runs } = await inspector.listRuns({ state: "running" });
  expect(new Map(runs.map(({ id, parent }) => [id, parent]))).toEqual(
    new Map([
      ["r", undefined],
      ["r.ship-1", { run: "r", step: "ship" }],
    ]),
  );
  const idsOf = async (options: RunListOptions) =>
    (await inspector.listRuns(options)).runs.map(({ id }) => id);
  expect(await idsOf({ roots: true })).toEqual(["r"]);
  expect((await idsOf({ parent: "r" })).toSorted()).toEqual(["r.each-1.0", "r.each-1.1", "r.ship-1"]);
  const shown = await inspector.showRun("r");
  expect(shown.steps[0]).toMatchObject({
    name: "ship",
    workflow: "test:inner",
    run: "r.ship-1",
    state: "active",
  });
  expect(shown.steps[0]).not.toHaveProperty("dueAt");
  expect(shown.steps[1]?.items).toMatchObject({
    runs: "r.each-1",
    failures: [
      { index: 1, run: "r.each-1.1", failure: "RunFailed: r.each-1.1: step b failed: PermanentError: no 4" },
    ],
  });
  await inspector.cancelRun("r");
  await endOf(run);
});

test("what is sensitive in a run of a step is hidden in what is shown of its parent", async () => {
  const secret = { type: "string", "x-sensitive": true };
  const workflows = new Map([
    ["test:flow", { input: {}, output: {} }],
    ["test:inner", { input: { properties: { n: secret } }, output: { properties: { sum: secret } } }],
  ]);
  const redactor = createRedactor(new Map(), workflows);
  const project = setupProject({ redis, tasks: [add] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, redactor });
  onTestFinished(() => inspector.close());
  await project.worker({
    "math:add": ({ payload: { n } }: { payload: { n: string } }) => {
      if (n === "hush") throw new PermanentError(`never say ${n}-derived-4711`);
      return n;
    },
  } as never);
  const one = workflow([step("a", [], path("input", "n"))], {
    name: "test:inner",
    hash: "44444444",
    output: object({ sum: path("steps", "a", "result") }),
  });
  const steps = [
    { name: "good", needs: [], ...childOf(one, object({ n: value("whisper") })) },
    { name: "bad", needs: ["good"], ...childOf(one, object({ n: value("hush") })) },
  ];
  const run = await start(project, workflow(steps, children(one)), {}, "r");
  expect(await endOf(run)).toBe("RunFailed");
  const shown = await inspector.showRun("r");
  expect(JSON.stringify(shown)).not.toMatch(/whisper|hush|4711/);
  expect(shown.error).toBe("step bad failed: RunFailed: r.bad-1: step a failed: PermanentError");
  expect(shown.steps[1]).toMatchObject({
    state: "failed",
    failure: "RunFailed: r.bad-1: step a failed: PermanentError",
  });
  const { runs } = await inspector.listRuns({});
  expect(JSON.stringify(runs)).not.toMatch(/whisper|hush|4711/);
});
