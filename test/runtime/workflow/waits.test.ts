// Steps that wait for an event, on a real Redis: whoever is told, when, and what becomes of those that wait in vain.
import { describe, expect, test } from "vitest";
import { createClient } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
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
  waitStep,
  workflow,
} from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const undo = defineTask("math:undo");
const step = (name: string, needs: string[] = [], more = {}) => ({
  name,
  needs,
  job: jobOf(add as never),
  ...more,
});
const output = object({ got: ["??", path("steps", "wait", "result"), value("nothing")] });

async function setup(handler: () => unknown = () => 1) {
  const undone: number[] = [];
  const project = setupProject({ redis, tasks: [add, undo] as never });
  await project.worker({
    "math:add": handler,
    "math:undo": ({ payload }: { payload: { n: number } }) => void undone.push(payload.n),
  } as never);
  return { project, undone, emit: emitter(project) };
}

/** The step's job stands in the due set: it waits. */
async function waiting(project: Project, run: string): Promise<void> {
  const { due } = project.keys.queue("default");
  await until("the step waits", async () => (await project.raw.zscore(due, `${run}.wait`)) !== null);
}

async function left(project: Project): Promise<number> {
  const { keys, raw } = project;
  return (await raw.hlen(keys.jobs)) + (await raw.exists(keys.listeners, keys.queue("default").due));
}

test("a step that waits ends with the event, whose payload is its result", async () => {
  const { project, emit } = await setup();
  const definition = workflow([step("a"), waitStep("wait", ["a"]), step("b", ["wait"])], { output });
  const [run, other] = await Promise.all(["k", "other"].map((key) => start(project, definition, { key })));
  await waiting(project, run!.id);
  expect(await emit({ key: "k", text: "päckchen\n" })).toMatchObject({
    jobs: [],
    failed: [],
    runs: [run!.id],
  });
  expect(await run!.result()).toEqual({ got: { key: "k", text: "päckchen\n" } });
  await emit({ key: "other" });
  expect(await other!.result()).toEqual({ got: { key: "other" } });
  expect(await left(project)).toBe(0);
});

test("an event that comes before the step waits is not lost", async () => {
  const [begun, goOn] = [signal(), signal()];
  const { project, emit } = await setup(() => (begun.send(), goOn.promise));
  const run = await start(project, workflow([step("a"), waitStep("wait", ["a"])], { output }), { key: 7 });
  await begun.promise;
  expect((await emit({ key: 7, n: 1 })).runs).toEqual([run.id]);
  expect((await emit({ key: 7, n: 2 })).runs).toEqual([run.id]);
  goOn.send();
  expect(await run.result()).toEqual({ got: { key: 7, n: 1 } });
});

test("an event of before the run, of another value, and of another type is none of its", async () => {
  const { project, emit } = await setup();
  expect((await emit({ key: "1" })).runs).toEqual([]);
  const steps = [waitStep("wait", [], { timeoutMs: 300 }, { onFailure: "continue" })];
  const run = await start(project, workflow(steps, { output }), { key: "1" });
  for (const key of [1, "2", "", null, true]) expect((await emit({ key })).runs).toEqual([]);
  expect(await run.result()).toEqual({ got: "nothing" });
});

describe("a step that waits in vain", () => {
  const wait = (rule: "fail" | "continue" | "compensate") =>
    waitStep("wait", ["a"], { timeoutMs: 100 }, { onFailure: rule });
  const a = step("a", [], { compensate: jobOf(undo as never, value(5)) });

  test.each(["fail", "compensate"] as const)("ends the run: %s", async (rule) => {
    const { project, undone } = await setup();
    const run = await start(project, workflow([a, wait(rule), step("b", ["wait"])]), { key: 1 });
    await expect(run.result()).rejects.toThrow(
      /RunFailed: .* step wait failed: no event test:event that matches came within 100ms$/,
    );
    expect(undone).toEqual(rule === "compensate" ? [5] : []);
    expect(await left(project)).toBe(0);
  });

  test("lets it go on: continue", async () => {
    const { project } = await setup();
    const steps = [a, wait("continue"), step("b", ["wait"])];
    const run = await start(project, workflow(steps, { output }), { key: 1 });
    expect(await run.result()).toEqual({ got: "nothing" });
    expect(await outcomes(project, run.id)).toEqual({ a: "completed", wait: "failed", b: "completed" });
  });
});

test("what else match asks for is looked at with each event, and the time goes on meanwhile", async () => {
  const { project, emit } = await setup();
  const match = [
    "&&",
    ["==", path("event", "key"), path("input", "key")],
    [">", path("event", "n"), value(2)],
  ];
  const steps = (timeoutMs: number) => [waitStep("wait", [], { match: match as never, timeoutMs })];
  const run = await start(project, workflow(steps(600_000), { output }), { key: 1 });
  await waiting(project, run.id);
  for (const n of [1, 2]) {
    await emit({ key: 1, n, text: `${n} of 2\nin "vain"` });
    await waiting(project, run.id);
  }
  // What does not match is not carried along, or each event would cost as much as all before it.
  const heard = await project.raw.hget(project.keys.workflows, `${run.id} wait!`);
  expect(heard).toMatch(/^(?:\S+ \d+ null\n){2}$/);
  await emit({ key: 1, n: 3 });
  expect(await run.result()).toEqual({ got: { key: 1, n: 3 } });
  const late = await start(project, workflow(steps(400), { hash: "33333333" }), { key: 2 });
  await waiting(project, late.id);
  const until1 = await project.raw.hget(project.keys.workflows, `${late.id} wait?`);
  await emit({ key: 2, n: 0 });
  await waiting(project, late.id);
  expect(await project.raw.hget(project.keys.workflows, `${late.id} wait?`)).toBe(until1);
  expect(await endOf(late)).toBe("RunFailed");
});

test("an event that is emitted again under its id is heard once", async () => {
  const [begun, goOn] = [signal(), signal()];
  const { project, emit } = await setup(() => (begun.send(), goOn.promise));
  const run = await start(project, workflow([step("a"), waitStep("wait", ["a"])]), { key: 1 });
  await begun.promise;
  for (let times = 0; times < 3; times++) expect((await emit({ key: 1 }, "event-1")).runs).toEqual([run.id]);
  const heard = await project.raw.hget(project.keys.workflows, `${run.id} wait!`);
  expect(heard?.split("\n")).toHaveLength(2);
  goOn.send();
  await run.result();
  expect((await emit({ key: 1 }, "event-1")).runs).toEqual([]);
});

test("nothing is left of a run whose retention has ended", async () => {
  const { project, emit } = await setup();
  const bounded = { timeoutMs: 3_600_000, keepMs: 1, hash: "55555555" };
  const vainly = workflow([waitStep("wait", [], { timeoutMs: 50 })], { ...bounded, hash: "66666666" });
  const runs = [workflow([waitStep("wait")], bounded), vainly];
  const [heard, vain] = await Promise.all(runs.map((one, key) => start(project, one, { key })));
  await waiting(project, heard!.id);
  await emit({ key: 0 });
  expect(await Promise.all([endOf(heard!), endOf(vain!)])).toEqual(["completed", "RunFailed"]);
  const connection = new Connection({ url: redis.url }, "test");
  const sweeper = new RunSweeper(connection, project.keys, new RunReader(connection, project.keys), Date.now);
  await until("both are removed", async () => {
    await sweeper.sweep();
    return (await project.raw.exists(project.keys.ended)) === 0;
  });
  connection.disconnect();
  const fields = await project.raw.hkeys(project.keys.workflows);
  expect(fields.filter((field) => !field.startsWith("@"))).toEqual([]);
});

test("one run is told by its id", async () => {
  const { project } = await setup();
  const emit = emitter(project, [["to", "run"]]);
  const [field, equals] = [["to", "run"], path("run", "id")];
  const wait = waitStep("wait", [], { field, equals, match: ["==", path("event", "to", "run"), equals] });
  const runs = await Promise.all([1, 2].map(() => start(project, workflow([wait], { output }))));
  expect((await emit({ to: { run: runs[1]!.id } })).runs).toEqual([runs[1]!.id]);
  expect(await runs[1]!.result()).toEqual({ got: { to: { run: runs[1]!.id } } });
  await emit({ to: { run: runs[0]!.id } });
  await runs[0]!.result();
});

test("a thousand runs hear of one event, also those whose queue the producer does not know", async () => {
  const { project } = await setup();
  const old = workflow([waitStep("wait")], { queue: "old", hash: "44444444" });
  const runs = await Promise.all(
    Array.from({ length: 1001 }, (_unused, n) =>
      start(project, n === 500 ? old : workflow([waitStep("wait")]), { key: "all" }),
    ),
  );
  const told = await emitter(project, [["key"]], [{ name: "default", weight: 1 }])({ key: "all" });
  expect(told.runs.toSorted()).toEqual(runs.map((run) => run.id).toSorted());
  await Promise.all(runs.filter((_run, n) => n !== 500).map((run) => run.result()));
});

test("a step with a condition that does not hold does not wait", async () => {
  const { project } = await setup();
  const skipped = waitStep("wait", [], {}, { if: value(false) });
  const run = await start(project, workflow([skipped, step("b", ["wait"])]), { key: 1 });
  await run.result();
  expect(await outcomes(project, run.id)).toEqual({ wait: "skipped", b: "completed" });
});

test("a run that does not go on waits for no event", async () => {
  const { project } = await setup(() => {
    throw new Error("no");
  });
  const run = await start(project, workflow([waitStep("wait"), step("a")]), { key: 1 });
  await expect(run.result()).rejects.toThrow(/step a failed/);
  expect(await outcomes(project, run.id)).toEqual({ a: "failed", wait: "cancelled" });
  expect(await left(project)).toBe(1); // The dead job of the step.
});

test("no event that is emitted while runs start and begin to wait is missed", async () => {
  const { project, emit } = await setup();
  const definition = workflow([step("a"), waitStep("wait", ["a"]), step("b", ["wait"])]);
  const runs = await Promise.all(
    Array.from({ length: 300 }, async (_unused, key) => {
      const run = await start(project, definition, { key });
      if (key % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (key % 3 === 1) await waiting(project, run.id);
      expect((await emit({ key })).runs).toEqual([run.id]);
      return run;
    }),
  );
  await Promise.all(runs.map((run) => run.result()));
  expect(await left(project)).toBe(0);
});

test("an emit that cannot tell its runs says so, and that it is to be emitted again", async () => {
  const { project, emit } = await setup();
  const run = await start(project, workflow([waitStep("wait")]), { key: 1 });
  const client = createClient({ url: redis.url, prefix: project.keys.tag.slice(1, -3) });
  await client.ready();
  await client.close();
  const failing = emitter({ client, queues: project.queues })({ key: 1 }, "e-1");
  await expect(failing).rejects.toMatchObject({
    name: "EmitIncomplete",
    code: "Closed",
    eventId: "e-1",
    result: { runs: [] },
    message: expect.stringMatching(
      /^Closed: not all that wait for the event test:event are known to have heard of it: .* Emit it again with \{ id: "e-1" \}/,
    ) as string,
  });
  expect((await emit({ key: 1 }, "e-1")).runs).toEqual([run.id]);
  await run.result();
});
