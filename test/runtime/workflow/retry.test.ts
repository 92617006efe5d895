// Retrying workflow runs: what completed keeps its result, what failed, was cancelled or undone runs, and a step may be skipped.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import {
  emitter,
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
const undo = defineTask("math:undo", { retry: { maxRetries: 0 } as never });
const job = (n = value(1)) => jobOf(add as never, n);
const step = (name: string, needs: string[] = [], n = value(1), more = {}) => ({
  name,
  needs,
  job: job(n),
  ...more,
});
const undoing = (n: number) => ({ compensate: jobOf(undo as never, value(n)) });

interface Job {
  readonly payload: { readonly n: number };
}

/** Notes what was called, and fails for what is in `broken`. */
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
    "math:add": ({ payload: { n } }: Job) => {
      seen.push(n);
      if (broken.has(n)) throw new PermanentError(`no ${n}`);
      return n * 10;
    },
    "math:undo": ({ payload: { n } }: Job) => {
      if (broken.has(n)) throw new PermanentError(`no ${n}`);
      undone.push(n);
    },
  } as never);
  return { project, inspector, seen, undone, broken };
}

test("a failed step runs again, what completed keeps its result, and what waited begins", async () => {
  const { project, inspector, seen, broken } = await setup();
  broken.add(2);
  const steps = [
    step("a", [], value(1)),
    step("beside", ["a"], value(5)),
    step("b", ["a"], value(2)),
    step("c", ["b", "beside"], path("steps", "a", "result")),
  ];
  const output = object({ a: path("steps", "a", "result"), c: path("steps", "c", "result") });
  const run = await start(project, workflow(steps, { output }));
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.retryRun(run.id);
  expect(await endOf(run)).toBe("RunFailed");
  broken.clear();
  await inspector.retryRun(run.id);
  expect(await run.result()).toEqual({ a: 10, c: 100 });
  expect(seen.filter((n) => n === 2)).toHaveLength(3);
  expect(seen.toSorted((x, y) => x - y)).toEqual([1, 2, 2, 2, 5, 10]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
  expect(await project.raw.exists(project.keys.dead, project.keys.runs)).toBe(0);
});

test("what was undone runs again, and what only came after it keeps its result", async () => {
  const { project, inspector, seen, undone, broken } = await setup();
  broken.add(4);
  const steps = [
    step("a", [], value(1), undoing(1)),
    step("b", ["a"], value(2), undoing(2)),
    step("kept", ["b"], value(3)),
    step("d", ["kept", "b"], value(4), { onFailure: "compensate" }),
    step("e", ["d"], value(5)),
  ];
  const run = await start(project, workflow(steps));
  expect(await endOf(run)).toBe("RunFailed");
  expect(undone).toEqual([2, 1]);
  broken.clear();
  await inspector.retryRun(run.id);
  await run.result();
  expect(seen).toEqual([1, 2, 3, 4, 1, 2, 4, 5]);
  expect(undone).toEqual([2, 1]);
  const shown = await inspector.showRun(run.id);
  expect(shown.steps.map(({ state, undoing: tried }) => [state, tried])).toEqual(
    steps.map(() => ["completed", undefined]),
  );
});

test("a step whose undoing failed is still done: it does not run again, and can be undone later", async () => {
  const { project, inspector, seen, undone, broken } = await setup();
  broken.add(2).add(-1);
  const steps = [
    step("a", [], value(1), undoing(-1)),
    step("b", ["a"], value(2), { onFailure: "compensate" }),
  ];
  const run = await start(project, workflow(steps));
  await expect(run.result()).rejects.toThrow(/step b failed: .*; these could not be undone: a$/);
  broken.delete(-1);
  await inspector.retryRun(run.id);
  await expect(run.result()).rejects.toThrow(/step b failed: .*no 2$/);
  expect(seen).toEqual([1, 2, 2]);
  expect(undone).toEqual([-1]);
});

test("items that completed are not run again, whatever the width, and the rest follows", async () => {
  const { project, inspector, seen, broken } = await setup();
  const list = Array.from({ length: 500 }, (_unused, n) => n);
  for (const n of [3, 77, 410]) broken.add(n);
  const each = step("each", [], path("item"), { forEach: path("input", "list"), maxParallel: 7 });
  const output = path("steps", "each", "result");
  const run = await start(project, workflow([each, step("last", ["each"], value(-1))], { output }), { list });
  for (const _failure of broken) {
    await expect(run.result()).rejects.toThrow(/step each failed: item \d+: PermanentError: .*no \d+$/);
    broken.delete(Math.max(...seen.filter((n) => broken.has(n))));
    await inspector.retryRun(run.id);
    if (broken.size === 0) break;
  }
  while ((await endOf(run)) === "RunFailed") {
    broken.clear();
    await inspector.retryRun(run.id);
  }
  expect(await run.result()).toEqual(list.map((n) => n * 10));
  const times = new Map<number, number>();
  for (const n of seen) times.set(n, (times.get(n) ?? 0) + 1);
  expect([...times].filter(([n, count]) => count > 1 && ![3, 77, 410].includes(n))).toEqual([]);
  expect(times.get(-1)).toBe(1);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
});

test("of a fan-out that was undone as a whole all items run again, as many as the list has by now", async () => {
  const { project, inspector, seen, undone, broken } = await setup();
  broken.add(9);
  const steps = [
    step("each", [], path("item"), { forEach: path("input", "list"), ...undoing(7) }),
    step("b", ["each"], value(9), { onFailure: "compensate" }),
  ];
  const run = await start(project, workflow(steps), { list: [1, 2, 3] });
  expect(await endOf(run)).toBe("RunFailed");
  broken.clear();
  await inspector.retryRun(run.id);
  await run.result();
  expect(undone).toEqual([7]);
  expect(seen.toSorted((x, y) => x - y)).toEqual([1, 1, 2, 2, 3, 3, 9, 9]);
});

test("a cancelled run goes on where it was", async () => {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const running = signal();
  let holds = true;
  const seen: number[] = [];
  await project.worker({
    "math:add": async ({ payload: { n } }: Job, { signal: stop }: { signal: AbortSignal }) => {
      seen.push(n);
      if (n !== 2 || !holds) return;
      running.send();
      await new Promise((_resolve, reject) =>
        stop.addEventListener("abort", () => reject(stop.reason as Error)),
      );
    },
  } as never);
  const steps = [
    step("a", [], value(1)),
    step("b", ["a"], value(2)),
    { name: "cool", needs: ["a"], delayMs: 50 },
  ];
  const run = await start(project, workflow([...steps, step("c", ["b", "cool"], value(3))]));
  await running.promise;
  await inspector.cancelRun(run.id);
  expect(await endOf(run)).toBe("RunCancelled");
  holds = false;
  await inspector.retryRun(run.id);
  await run.result();
  expect(seen).toEqual([1, 2, 2, 3]);
});

test("a failed step is skipped with a result that others read, and an item of a fan-out too", async () => {
  const { project, inspector, seen, broken } = await setup();
  for (const n of [2, 5]) broken.add(n);
  const steps = [
    step("a", [], value(2)),
    step("each", ["a"], path("item"), { forEach: path("input", "list"), maxParallel: 1 }),
    step("c", ["each"], path("steps", "a", "result", "n")),
  ];
  const output = path("steps", "each", "result");
  const run = await start(project, workflow(steps, { output }), { list: [4, 5, 6] });
  expect(await endOf(run)).toBe("RunFailed");
  await inspector.skipStep(run.id, "a", { n: 8 });
  await expect(run.result()).rejects.toThrow(/step each failed: item 1/);
  await inspector.skipStep(run.id, "each.1", { made: "by hand" });
  expect(await run.result()).toEqual([40, { made: "by hand" }, 60]);
  expect(seen).toEqual([2, 4, 5, 6, 8]);
});

test("a run of which the last item is skipped has nothing left to run, and completes", async () => {
  const { project, inspector, broken } = await setup();
  broken.add(5);
  const each = step("each", [], path("item"), { forEach: path("input", "list"), maxParallel: 2 });
  const alone = await start(project, workflow([each]), { list: [4, 5] });
  expect(await endOf(alone)).toBe("RunFailed");
  await inspector.skipStep(alone.id, "each.1");
  await alone.result();
  const single = await start(project, workflow([step("a", [], value(5))], { hash: "33333333" }));
  expect(await endOf(single)).toBe("RunFailed");
  await inspector.skipStep(single.id, "a");
  await single.result();
  expect(await outcomes(project, single.id)).toEqual({ a: "completed" });
});

test("what cannot be retried or skipped says why", async () => {
  const { project, inspector, broken } = await setup();
  broken.add(2).add(3);
  const steps = [
    step("a"),
    step("passed", [], value(3), { onFailure: "continue" }),
    step("each", ["a"], path("item"), { forEach: path("input", "list") }),
    step("loose", ["a"], path("item"), { forEach: path("input", "others"), onFailure: "continue" }),
    step("b", ["a", "each", "passed", "loose"], value(2)),
  ];
  const run = await start(project, workflow(steps), { list: [1], others: [3, 4] });
  expect(await endOf(run)).toBe("RunFailed");
  const skip = (name: string) => inspector.skipStep(run.id, name);
  await expect(skip("nobody")).rejects.toThrow(
    /OptionInvalid: step: the run \S+ has no nobody. Steps: a, passed/,
  );
  await expect(skip("b.1")).rejects.toThrow(/has no b.1/);
  await expect(skip("a")).rejects.toThrow(/StateConflict: step a is completed: only one that keeps/);
  await expect(skip("passed")).rejects.toThrow(/failed, and the run went on without it/);
  // It has been counted among the items that have ended.
  await expect(skip("loose.0")).rejects.toThrow(/loose.0 is failed, and the run went on without it/);
  await expect(skip("each")).rejects.toThrow(/goes over a list: skip its items one by one, as each.0/);
  await expect(inspector.retryRun("nobody")).rejects.toThrow(/RunNotFound/);
  broken.clear();
  await inspector.retryRun(run.id);
  await run.result();
  await expect(inspector.retryRun(run.id)).rejects.toThrow(
    `StateConflict: the run ${run.id} is completed: only runs that have failed or were cancelled can go on again`,
  );
});

test("a run whose time was over waits anew, for events too: those of before count, those while it had ended do not", async () => {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await project.worker({ "math:add": () => 1 } as never);
  const emit = emitter(project);
  const field = ["key"];
  const waiting = (name: string) => ({
    name,
    needs: [],
    waitFor: {
      event: "test:event",
      field,
      equals: value(name),
      match: ["==", path("event", "key"), value(name)] as never,
      timeoutMs: 3_600_000,
    },
  });
  const steps = [waiting("early"), waiting("late"), step("last", ["early", "late"])];
  const run = await start(project, workflow(steps as never, { timeoutMs: 400 }));
  await emit({ key: "early" });
  await expect(run.result()).rejects.toThrow(/its timeout$/);
  await emit({ key: "late" });
  await inspector.retryRun(run.id);
  await expect(run.result()).rejects.toThrow(/its timeout$/);
  expect(await outcomes(project, run.id)).toMatchObject({ early: "completed", late: "cancelled" });
  await inspector.retryRun(run.id);
  const listens = () => project.raw.exists(project.keys.listeners);
  await until("the run to listen", async () => (await listens()) === 1);
  await emit({ key: "late" });
  await run.result();
  expect(await project.raw.exists(project.keys.listeners, project.keys.jobs)).toBe(0);
});
