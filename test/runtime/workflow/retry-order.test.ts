// Retrying workflow runs: nothing begins before what comes before it has run again, also by way of steps that keep their ends.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import type { WorkflowStep } from "../../../runtime/definition/index.js";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
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
const work = defineTask("some:work");
const undo = defineTask("some:undo");
const job = (n = value("-")) => jobOf(work as never, n);
const undoing = (n = value("-")) => ({ compensate: jobOf(undo as never, n) });
const result = (step: string) => path("steps", step, "result");
const named = (name: string, needs: readonly string[] = [], more: Partial<WorkflowStep> = {}) => ({
  name,
  needs,
  job: job(value(name)),
  onFailure: "compensate" as const,
  ...more,
});

interface Called {
  readonly payload: { readonly n?: unknown };
}

interface Stage {
  readonly project: Project;
  readonly inspector: Inspector;
  /** Payloads of the handlers, in the order of their ends; those that undo with a dash before. */
  readonly seen: unknown[];
  /** What fails. */
  readonly broken: Set<unknown>;
  /** What ends only when it is released. */
  readonly held: Map<unknown, Promise<void>>;
}

/** A step gives its payload and the how manieth call of it this is. */
async function setup(): Promise<Stage> {
  const project = setupProject({ redis, tasks: [work, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [seen, broken, held] = [[] as unknown[], new Set<unknown>(), new Map<unknown, Promise<void>>()];
  const calls = new Map<unknown, number>();
  const run = (n: unknown, note: unknown): string => {
    seen.push(note);
    if (broken.has(note)) throw new PermanentError("no");
    calls.set(n, (calls.get(n) ?? 0) + 1);
    return `${String(n)}${calls.get(n)}`;
  };
  await project.worker({
    "some:work": async ({ payload: { n } }: Called) => {
      await held.get(n);
      return run(n, n);
    },
    "some:undo": ({ payload: { n } }: Called) => run(n, `-${String(n)}`),
  } as never);
  return { project, inspector, seen, broken, held };
}

const reads = job(result("x"));
const shapes: readonly [string, Partial<WorkflowStep>, string][] = [
  ["a payload", { job: reads }, "x2"],
  ["a condition", { if: ["==", path("steps", "x", "status"), value("completed")], job: reads }, "x2"],
  // Its items are those that it had.
  ["a list", { forEach: ["list", [result("x")]], job: job(path("item")) }, "x1"],
];

test.each(shapes)(
  "%s waits for what was undone, past a step that keeps its end",
  async (_what, more, read) => {
    const { inspector, project, seen, broken } = await setup();
    broken.add("x1");
    const steps = [named("x", [], undoing()), named("d", ["x"]), named("e", ["d"], more)];
    const run = await start(project, workflow(steps));
    expect(await endOf(run)).toBe("RunFailed");
    broken.clear();
    await inspector.retryRun(run.id);
    expect(await endOf(run)).toBe("completed");
    expect(seen).toEqual(["x", "d", "x1", "--", "x", read]);
  },
);

test("a run in it is another run then, and begins after it", async () => {
  const { inspector, project, seen, broken } = await setup();
  broken.add("x1");
  const inner = workflow([{ name: "a", needs: [], job: job(path("input", "n")) }], {
    name: "test:inner",
    hash: "1a1a1a1a",
  });
  const { job: _none, ...ship } = named("ship", ["d"], childOf(inner, object({ n: result("x") })));
  const steps = [named("x", [], undoing()), named("d", ["x"]), ship];
  const run = await start(project, workflow(steps, children(inner)));
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.retryRun(run.id);
  expect(await endOf(run)).toBe("completed");
  expect(seen).toEqual(["x", "d", "x1", "--", "x", "x2"]);
  expect((await inspector.showRun(run.id)).steps[2]?.run).toBe(`${run.id}.ship-2`);
});

test("a run in it is another run where any step before it runs again, also where it does not wait for that", async () => {
  const { inspector, project, broken, held } = await setup();
  const released = signal();
  held.set("in", released.promise);
  broken.add("in");
  const inner = workflow([named("in")], { name: "test:inner", hash: "1a1a1a1a" });
  const { job: _none, ...ship } = named("ship", ["free", "x"], { ...childOf(inner), join: 1 });
  const steps = [named("x", [], undoing()), named("free"), ship];
  const run = await start(project, workflow(steps, children(inner)));
  await until("x to have ended", async () => (await outcomes(project, run.id)).x === "completed");
  released.send();
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.retryRun(run.id);
  expect(await endOf(run)).toBe("RunFailed");
  expect((await inspector.showRun(run.id)).steps[2]?.run).toBe(`${run.id}.ship-2`);
});

test("joins count ends that are kept when they are passed on, and what is met without them begins at once", async () => {
  const { inspector, project, seen, broken, held } = await setup();
  broken.add("last").add("passed");
  const steps = [
    named("x", [], undoing()),
    named("free"),
    named("passed", ["x"], { onFailure: "continue" }),
    named("each", ["passed"], { forEach: value([1, 2]), job: job(path("item")) }),
    named("either", ["free", "x"], { join: 1 }),
    named("early", ["either"]),
    named("two", ["each", "free", "early"], { join: 3 }),
    named("last", ["two"]),
  ];
  const run = await start(project, workflow(steps));
  expect(await endOf(run)).toBe("RunFailed");
  seen.length = 0;
  broken.clear();
  const released = signal();
  held.set("x", released.promise);
  await inspector.retryRun(run.id);
  await until("it to go on", async () => (await inspector.showRun(run.id)).state === "running");
  // All that keep their ends do so although they wait for x.
  const shown = await inspector.showRun(run.id);
  expect(shown.steps.filter(({ state }) => state === "completed").map(({ name }) => name)).toEqual(
    "free each either early two".split(" "),
  );
  released.send();
  expect(await endOf(run)).toBe("completed");
  expect(seen).toEqual(["x", "last"]);
  expect(new Set(Object.values(await outcomes(project, run.id)))).toEqual(new Set(["completed", "failed"]));
  expect(await project.raw.exists(project.keys.jobs, project.keys.dead)).toBe(0);
});

test("an end that was not passed on before the run failed again is kept all the same", async () => {
  const { inspector, project, seen, broken } = await setup();
  broken.add("e").add("y");
  const steps = [
    named("x", [], undoing()),
    named("y", ["x"], { onFailure: "continue" }),
    named("d", ["x", "y"]),
    named("e", ["d"]),
  ];
  const run = await start(project, workflow(steps));
  expect(await endOf(run)).toBe("RunFailed");
  broken.add("x");
  for (let life = 2; life <= 3; life++) {
    await inspector.retryRun(run.id);
    expect(await endOf(run)).toBe("RunFailed");
  }
  await expect(inspector.skipStep(run.id, "d")).rejects.toThrow(/StateConflict: step d is completed/);
  broken.clear();
  await inspector.retryRun(run.id);
  expect(await endOf(run)).toBe("completed");
  expect(seen).toEqual(["x", "y", "d", "e", "--", "x", "x", "x", "e"]);
});

test("what could not be undone is undone with what it was made of, whatever has become of that", async () => {
  const { inspector, project, seen, broken } = await setup();
  broken.add("e").add("-x1");
  const steps = [named("x", [], undoing()), named("d", ["x"], undoing(result("x"))), named("e", ["d"])];
  const run = await start(project, workflow(steps));
  expect(await endOf(run)).toBe("RunFailed");
  broken.delete("-x1");
  broken.add("x");
  await inspector.retryRun(run.id);
  expect(await endOf(run)).toBe("RunFailed");
  expect(seen).toEqual(["x", "d", "e", "-x1", "--", "x", "-x1"]);
});
