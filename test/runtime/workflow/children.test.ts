// Steps that are runs of other workflows: what flows in and out, and how their ends become ends of steps.
import { describe, expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import {
  childOf,
  children,
  emitter,
  endOf,
  jobOf,
  object,
  outcomes,
  path,
  start,
  value,
  waitStep,
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

/** Adds one to its input, in a run of its own. */
const inner = workflow([step("a", [], path("input", "n"))], {
  name: "test:inner",
  hash: "11111111",
  output: object({ sum: path("steps", "a", "result") }),
});
const input = (n = value(1)) => object({ n });
const asRun = (name: string, needs: string[] = [], n = value(1), more = {}, definition = inner) => ({
  name,
  needs,
  ...childOf(definition, input(n)),
  ...more,
});
const sumOf = (name: string) => path("steps", name, "result", "sum");

interface Job {
  readonly id: string;
  readonly payload: { readonly n: number };
}

interface Stage {
  readonly project: Project;
  readonly inspector: Inspector;
  readonly seen: number[];
  readonly undone: number[];
  readonly broken: Set<number>;
}

/** A worker that adds one, fails for what is in `broken`, and for what is negative holds on until it is told to stop. */
async function setup(options: { readonly shards?: number; readonly worker?: object } = {}): Promise<Stage> {
  const { shards = 1, worker = {} } = options;
  const project = setupProject({ redis, tasks: [add, undo] as never, shards });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards });
  onTestFinished(() => inspector.close());
  const [seen, undone, broken] = [[] as number[], [] as number[], new Set<number>()];
  const handlers = {
    "math:add": async ({ payload: { n } }: Job, { signal: stop }: { signal: AbortSignal }) => {
      seen.push(n);
      if (broken.has(n)) throw new PermanentError(`no ${n}`);
      if (n < 0) await new Promise((_resolve, reject) => stop.addEventListener("abort", reject));
      return n + 1;
    },
    "math:undo": ({ payload: { n } }: Job) => void undone.push(n),
  };
  await project.worker(handlers as never, worker);
  return { project, inspector, seen, undone, broken };
}

/** Runs whole of which a step is a run of `inner`. */
const outer = (steps: WorkflowDefinition["steps"], more: Partial<WorkflowDefinition> = {}) =>
  workflow(steps, { ...children(inner), ...more });

test("its input is computed when it begins, and its output is the step's result", async () => {
  const { project, inspector, seen } = await setup();
  const steps = [
    step("first", [], value(4)),
    asRun("ship", ["first"], path("steps", "first", "result")),
    step("last", ["ship"], sumOf("ship")),
  ];
  const run = await start(
    project,
    outer(steps, { output: object({ sum: path("steps", "last", "result") }) }),
    {},
    "r",
  );
  expect(await run.result()).toEqual({ sum: 7 });
  expect(seen).toEqual([4, 5, 6]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
  expect(await project.raw.exists(project.keys.running, project.keys.queue("default").due)).toBe(0);
  expect(await inspector.showRun("r.ship-1")).toMatchObject({
    workflow: "test:inner",
    state: "completed",
    parent: { run: "r", step: "ship" },
    input: { n: 5 },
    output: { sum: 6 },
  });
  const [, ship] = (await inspector.showRun("r")).steps;
  expect(ship).toMatchObject({
    workflow: "test:inner",
    run: "r.ship-1",
    state: "completed",
    result: { sum: 6 },
  });
});

test.each([1, 3])("runs in runs in runs, over %i shards", async (shards) => {
  const { project, seen } = await setup({ shards });
  let deep: WorkflowDefinition = inner;
  for (const level of ["two", "three", "four"]) {
    deep = workflow([asRun("down", [], path("input", "n"), {}, deep)], {
      name: `test:${level}`,
      hash: level,
      output: object({ sum: sumOf("down") }),
      ...children(deep),
    });
  }
  const ids = Array.from({ length: 6 }, (_none, n) => `deep-${"x".repeat(n * 14)}`);
  const runs = await Promise.all(ids.map((id, n) => start(project, deep, { n }, id)));
  expect(await Promise.all(runs.map((run) => run.result()))).toEqual(ids.map((_id, n) => ({ sum: n + 1 })));
  expect(seen.toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5]);
});

test(
  "a fan-out over runs: 200 items, no more at a time than it says, results in their order",
  { timeout: 60_000 },
  async () => {
    const project = setupProject({ redis, tasks: [add, undo] as never });
    const underWay = new Set<string>();
    let most = 0;
    // Two steps, so that a run lasts: it is under way from the first until the last.
    const two = workflow(
      [step("a", [], path("input", "n")), step("b", ["a"], path("steps", "a", "result"))],
      {
        name: "test:inner",
        hash: "22222222",
        output: object({ sum: path("steps", "b", "result") }),
      },
    );
    await project.worker({
      "math:add": async ({ id, payload: { n } }: Job) => {
        const run = id.slice(0, id.lastIndexOf("."));
        if (id.endsWith(".a")) underWay.add(run);
        most = Math.max(most, underWay.size);
        await new Promise((resolve) => setImmediate(resolve));
        if (id.endsWith(".b")) underWay.delete(run);
        return n + 1;
      },
    } as never);
    const each = asRun("each", [], path("item"), { forEach: path("input", "list"), maxParallel: 7 }, two);
    const list = Array.from({ length: 200 }, (_none, n) => n);
    const definition = workflow([each], { ...children(two), output: path("steps", "each", "result") });
    const run = await start(project, definition, { list });
    expect(await run.result({ timeout: "50s" })).toEqual(list.map((n) => ({ sum: n + 2 })));
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(7);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
  },
);

test("where its condition does not hold nothing is started", async () => {
  const { project, seen } = await setup();
  const steps = [asRun("ship", [], value(1), { if: value(false) }), step("last", ["ship"], value(5))];
  const run = await start(project, outer(steps), {}, "r");
  await run.result();
  expect(seen).toEqual([5]);
  expect(await outcomes(project, "r")).toEqual({ ship: "skipped", last: "completed" });
  expect(await project.raw.hexists(project.keys.workflows, "r.ship-1")).toBe(0);
});

test("a run of a step hears events from its own start", async () => {
  const { project } = await setup();
  const waiting = workflow([waitStep("heard")], {
    name: "test:inner",
    hash: "33333333",
    output: path("steps", "heard", "result"),
  });
  const key = { child: { workflow: "test:inner", input: object({ key: value("k") }) } };
  const steps = [{ name: "ship", needs: [], ...key }];
  const run = await start(
    project,
    workflow(steps, { ...children(waiting), output: path("steps", "ship", "result") }),
    {},
    "r",
  );
  await until(
    "it is there",
    async () => (await project.raw.hexists(project.keys.workflows, "r.ship-1")) === 1,
  );
  expect(await emitter(project)({ key: "k" })).toMatchObject({ runs: ["r.ship-1"] });
  expect(await run.result()).toEqual({ key: "k" });
});

describe("a run that fails", () => {
  test("fails its step, with its id and its reason, and has undone itself by its own rules", async () => {
    const { project, undone, broken } = await setup();
    broken.add(9);
    const failing = workflow(
      [step("a", [], value(1), undoing(value(7))), step("b", ["a"], value(9), { onFailure: "compensate" })],
      {
        name: "test:inner",
        hash: "44444444",
      },
    );
    const steps = [
      asRun("ship", [], value(1), { onFailure: "compensate" }, failing),
      step("never", ["ship"]),
    ];
    const run = await start(
      project,
      workflow([step("before", [], value(2), undoing(value(6))), ...steps], children(failing)),
      {},
      "r",
    );
    await expect(run.result()).rejects.toThrow(
      "step ship failed: RunFailed: r.ship-1: step b failed: PermanentError: no 9",
    );
    expect(undone).toEqual([7, 6]);
    expect(await outcomes(project, "r")).toEqual({
      before: "completed",
      "before~": "completed",
      ship: "failed",
    });
  });

  test("lets its parent go on where the step says so; in a fan-out null stands in its place", async () => {
    const { project, broken } = await setup();
    broken.add(2);
    const more = { onFailure: "continue" };
    const steps = [
      asRun("one", [], value(2), more),
      asRun("each", [], path("item"), { forEach: value([1, 2, 3]), ...more }),
      step("last", ["one", "each"]),
    ];
    const output = object({ one: path("steps", "one", "status"), each: path("steps", "each", "result") });
    const run = await start(project, outer(steps, { output }));
    expect(await run.result()).toEqual({ one: "failed", each: [{ sum: 2 }, null, { sum: 4 }] });
  });

  test("is one whose time is over, by its own timeout", async () => {
    const { project } = await setup();
    const slow = workflow([{ name: "cool", needs: [], delayMs: 3_600_000 }], {
      name: "test:inner",
      hash: "55555555",
      timeoutMs: 20,
    });
    const run = await start(
      project,
      workflow([asRun("ship", [], value(1), {}, slow)], children(slow)),
      {},
      "r",
    );
    await expect(run.result()).rejects.toThrow(
      /step ship failed: RunFailed: r\.ship-1: the run had not ended after 20ms/,
    );
  });
});

test("an output that is larger than a result may be fails the step", async () => {
  const { project } = await setup({ worker: { maxResult: 30 } });
  const large = { ...inner, hash: "66666666", output: object({ text: value("x".repeat(40)) }) };
  const run = await start(
    project,
    workflow([asRun("ship", [], value(1), {}, large)], children(large)),
    {},
    "r",
  );
  await expect(run.result()).rejects.toThrow(
    /step ship failed: ResultTooLarge: the run r\.ship-1 has an output of 51 characters of JSON, of which a result may have 30; .*worker\.maxResult/,
  );
});

test("a step whose run completed is undone by its compensate alone, which reads its output", async () => {
  const { project, undone, broken } = await setup();
  broken.add(9);
  const undoes = workflow([step("a", [], path("input", "n"), undoing(value(100)))], {
    name: "test:inner",
    hash: "77777777",
    output: object({ sum: path("steps", "a", "result") }),
  });
  const steps = [
    asRun("ship", [], value(1), undoing(sumOf("ship")), undoes),
    step("bad", ["ship"], value(9), { onFailure: "compensate" }),
  ];
  const run = await start(project, workflow(steps, children(undoes)));
  expect(await endOf(run)).toBe("RunFailed");
  expect(undone).toEqual([2]);
});

test("a run that has failed waits for the runs of its steps, and begins no more", async () => {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const [held, failing] = [signal(), signal()];
  const undone: number[] = [];
  await project.worker({
    "math:add": async ({ payload: { n } }: Job) => {
      if (n === 9) {
        await failing.promise;
        throw new PermanentError("no");
      }
      if (n === 5) {
        failing.send();
        await held.promise;
      }
      return n + 1;
    },
    "math:undo": ({ payload: { n } }: Job) => void undone.push(n),
  } as never);
  const steps = [
    asRun("ship", [], value(5), undoing(sumOf("ship"))),
    asRun("after", ["ship"]),
    step("bad", [], value(9), { onFailure: "compensate" }),
  ];
  const run = await start(project, outer(steps), {}, "r");
  const end = endOf(run);
  await until(
    "it fails",
    async () => (await project.raw.hget(project.keys.workflows, "r :state")) === "compensating",
  );
  held.send();
  expect(await end).toBe("RunFailed");
  expect(undone).toEqual([6]);
  expect(await outcomes(project, "r")).toEqual({ ship: "completed", "ship~": "completed", bad: "failed" });
});
