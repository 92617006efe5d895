// Cancelling workflow runs: what runs is stopped, what waits ends, what completed is undone, and the run has been cancelled.
import { expect, onTestFinished, test } from "vitest";
import { openInspector, type Inspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { endOf, jobOf, outcomes, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", {
  retry: { maxRetries: 5, backoff: { type: "fixed", delayMs: 3_600_000, jitter: "none" } } as never,
});
const undo = defineTask("math:undo");
const job = (n = value(1)) => jobOf(add as never, n);
const undoing = (n: number) => ({ compensate: jobOf(undo as never, value(n)) });
const sleep = (name: string, needs: string[] = []) => ({ name, needs, delayMs: 3_600_000 });

interface Payload {
  readonly n: number;
}

interface Job {
  readonly payload: Payload;
}

function setup(): { project: Project; inspector: Inspector; undone: number[] } {
  const project = setupProject({ redis, tasks: [add, undo] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  return { project, inspector, undone: [] };
}

/** Steps of 0 run until they are told to stop; others end at once. */
function holding(running: { send(value: void): void }) {
  return async ({ payload: { n } }: Job, { signal: stop }: { signal: AbortSignal }) => {
    if (n !== 0) return n;
    running.send();
    await new Promise((_resolve, reject) =>
      stop.addEventListener("abort", () => reject(stop.reason as Error)),
    );
    return n;
  };
}

test("what runs is stopped, what waits ends, and what completed is undone, the last first", async () => {
  const { project, inspector, undone } = setup();
  const running = signal();
  const handlers = {
    "math:add": holding(running),
    "math:undo": ({ payload }: Job) => void undone.push(payload.n),
  };
  await project.worker(handlers as never);
  const steps = [
    { name: "a", needs: [], job: job(), ...undoing(1) },
    { name: "b", needs: ["a"], job: job(value(2)), ...undoing(2) },
    { name: "hold", needs: ["b"], job: job(value(0)), ...undoing(3) },
    sleep("cool", ["b"]),
    { name: "last", needs: ["hold", "cool"], job: job() },
  ];
  const run = await start(project, workflow(steps));
  await running.promise;
  expect(await inspector.cancelRun(run.id)).toBe("cancelling");
  await expect(run.result()).rejects.toThrow(`RunCancelled: test:flow run ${run.id}: the run was cancelled`);
  expect(undone).toEqual([2, 1]);
  expect(await outcomes(project, run.id)).toEqual({
    a: "completed",
    "a~": "completed",
    b: "completed",
    "b~": "completed",
    hold: "cancelled",
    cool: "cancelled",
  });
  const shown = await inspector.showRun(run.id);
  expect(shown).toMatchObject({ state: "cancelled", error: "the run was cancelled" });
  expect(shown.steps[4]).toMatchObject({ name: "last", state: "not-begun" });
});

test("again, it changes nothing; and of a run that has ended there is nothing to cancel", async () => {
  const { project, inspector } = setup();
  const run = await start(project, workflow([{ name: "a", needs: [], job: job() }, sleep("cool")]));
  for (const _again of [1, 2]) expect(await inspector.cancelRun(run.id)).toBe("cancelling");
  await project.worker({ "math:add": () => 1 } as never);
  expect(await endOf(run)).toBe("RunCancelled");
  await expect(inspector.cancelRun(run.id)).rejects.toThrow(
    `StateConflict: the run ${run.id} has ended already: it is cancelled. There is nothing to cancel`,
  );
  await expect(inspector.cancelRun("nobody")).rejects.toThrow(/RunNotFound/);
});

test("a step that waits for its retry ends at once, and so does one that fails while its cancel is asked for", async () => {
  const { project, inspector } = setup();
  const [running, fail] = [signal(), signal()];
  await project.worker({
    "math:add": async ({ payload: { n } }: Job) => {
      if (n === 0) {
        running.send();
        await fail.promise;
      }
      throw new Error("not yet");
    },
  } as never);
  const steps = [
    { name: "backs", needs: [], job: job() },
    { name: "fails", needs: [], job: job(value(0)) },
  ];
  const run = await start(project, workflow(steps));
  await running.promise;
  const stateOf = async (index: number) => (await inspector.showRun(run.id)).steps[index]?.state;
  await until("the retry to wait", async () => (await stateOf(0)) === "retry");
  await inspector.cancelRun(run.id);
  fail.send();
  expect(await endOf(run)).toBe("RunCancelled");
  expect(await outcomes(project, run.id)).toEqual({ backs: "cancelled", fails: "cancelled" });
});

test("a fan-out of thousands ends, with those that wait for a limit, and leaves no job behind", async () => {
  const { project, inspector } = setup();
  const running = signal();
  await project.worker({ "math:add": holding(running) } as never, { concurrency: 20 });
  const limited = { ...job(path("item")), limit: { name: "math:add ", limit: 10 } };
  const each = { name: "each", needs: [], forEach: path("input", "list"), job: limited };
  const list = Array.from({ length: 3000 }, (_unused, n) => (n < 50 ? 1 : 0));
  const run = await start(project, workflow([each]), { list });
  await running.promise;
  await inspector.cancelRun(run.id);
  expect(await endOf(run)).toBe("RunCancelled");
  const { items } = (await inspector.showRun(run.id)).steps[0]!;
  expect(items!.completed).toBeGreaterThanOrEqual(50);
  expect(items!.completed + items!.cancelled).toBe(items!.completed + 1000);
  expect(items!.failed).toBe(0);
});

test("the work of a step that ends well although it was asked to stop counts, and is undone", async () => {
  const { project, inspector, undone } = setup();
  const [running, end] = [signal(), signal()];
  await project.worker({
    "math:add": async () => {
      running.send();
      await end.promise;
      return 7;
    },
    "math:undo": ({ payload }: Job) => void undone.push(payload.n),
  } as never);
  const run = await start(project, workflow([{ name: "a", needs: [], job: job(), ...undoing(5) }]));
  await running.promise;
  await inspector.cancelRun(run.id);
  end.send();
  expect(await endOf(run)).toBe("RunCancelled");
  expect(undone).toEqual([5]);
});

test("a run that fails already goes on to fail, and what runs is stopped", async () => {
  const { project, inspector } = setup();
  const running = signal();
  const hold = holding(running);
  await project.worker({ "math:add": hold } as never);
  const fails = { name: "fails", needs: [], forEach: value(3), onFailure: "fail" as const };
  const steps = [
    { name: "hold", needs: [], job: job(value(0)) },
    { ...fails, job: job() },
  ];
  const run = await start(project, workflow(steps));
  await running.promise;
  const stateOf = async () => (await inspector.showRun(run.id)).state;
  await until("the run to fail", async () => (await stateOf()) === "failing");
  expect(await inspector.cancelRun(run.id)).toBe("failing");
  await expect(run.result()).rejects.toThrow(/RunFailed: .*step fails failed: forEach: expected a list/);
});

test("the failure of an item names it", async () => {
  const once = defineTask("math:once", { retry: { maxRetries: 0 } as never });
  const other = setupProject({ redis, tasks: [once] as never });
  await other.worker({
    "math:once": ({ payload: { n } }: Job) => {
      if (n < 0) throw new Error("no");
    },
  } as never);
  const each = {
    name: "each",
    needs: [],
    forEach: path("input", "list"),
    job: jobOf(once as never, path("item")),
  };
  const run = await start(other, workflow([each, sleep("cool", ["each"])]), { list: [1, 2, -3, 4] });
  await expect(run.result()).rejects.toThrow(/RunFailed: .*step each failed: item 2: Error: .*no$/);
});

test("single jobs of a run are not cancelled, deleted or retried: the run is", async () => {
  const { project, inspector } = setup();
  const run = await start(project, workflow([{ name: "a", needs: [], job: job() }]));
  const id = `${run.id}.a`;
  await expect(inspector.cancel(id)).rejects.toThrow(`weft runs cancel ${run.id}`);
  await expect(inspector.remove(id)).rejects.toThrow(`weft runs cancel ${run.id}`);
  await expect(inspector.retry(id)).rejects.toThrow(`weft runs retry ${run.id}`);
});
