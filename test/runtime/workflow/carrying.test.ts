// A worker carries on with what begins after a step that it has run: in the slot of that step, for a while, and so that nothing is lost,
// nobody waits longer than he must, and what is to be decided about the run is.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { encodeFinale, type StepEnd } from "../../../runtime/protocol/index.js";
import {
  advanceScript,
  endRunScript,
  settleSteps,
  settleStepsScript,
} from "../../../runtime/scripts/index.js";
import { StepEnds } from "../../../runtime/worker/runs/step-ends.js";
import type { StepContext } from "../../../runtime/worker/claims/step-context.js";
import { WorkflowGraph } from "../../../runtime/workflow/index.js";
import { defineTask, type Project, RecordingLogger, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { jobOf, object, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const other = defineTask("other:work");
const setup = (options = {}): Project => setupProject({ redis, tasks: [add, other] as never, ...options });
const step = (name: string, needs: string[] = [], n = value(1), more = {}) => ({
  name,
  needs,
  job: jobOf(add as never, n),
  ...more,
});
const result = (name: string) => path("steps", name, "result");
const chain = [step("a"), step("b", ["a"], result("a")), step("c", ["b"], result("b"))];
const OUTCOME = "c1 2";

/** A run that has begun, of whose steps these are held by the worker `w`; and the ends of them. */
async function held(project: Project, graph: WorkflowGraph, ...names: string[]): Promise<StepEnd[]> {
  const { keys, raw } = project;
  await start(project, graph.definition, {}, "r");
  await raw.hdel(keys.jobs, "r.a");
  await raw.del(keys.queue("default").pending);
  await raw.zadd(keys.leases, Date.now() + 60_000, "w");
  await raw.hset(keys.workflows, "r :open", names.length);
  for (const name of names) {
    await raw.hset(keys.jobs, `r.${name}`, "[1]");
    await raw.hset(keys.active, `r.${name}`, "w");
  }
  return names.map((name) => ({
    id: `r.${name}`,
    endsJob: true,
    run: "r",
    step: name,
    outcome: OUTCOME,
    state: "",
    hasten: [],
    itemOf: undefined,
    decider: graph.decider,
    finale: "",
    begins: graph.after(name),
  }));
}

async function places(
  project: Project,
  id: string,
): Promise<{ readonly owner: string | null; readonly waits: boolean }> {
  const { keys, raw } = project;
  const list = await raw.lrange(keys.queue("default").pending, 0, -1);
  expect(await raw.hexists(keys.jobs, id)).toBe(1);
  return { owner: await raw.hget(keys.active, id), waits: list.includes(id) };
}

const HELD = { owner: "w", waits: false };
const WAITS = { owner: null, waits: true };

/** Ends steps with the worker `w`, whose slots are free. */
async function settle(project: Project, ends: readonly StepEnd[], isFree = true) {
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const call = { keys: project.keys, worker: "w", ends, isFree: () => isFree, serves: () => true };
  const settled = await settleSteps(connection, call);
  if (settled === "LOST") throw new Error("the lease is lost");
  return settled;
}

test("the job that begins is the worker's own; sent again, the call gives nothing more", async () => {
  const project = setup();
  const graph = new WorkflowGraph(workflow(chain));
  const ends = await held(project, graph, "a");
  expect(await settle(project, ends)).toMatchObject({
    begun: 1,
    carried: [{ end: 0, begin: graph.after("a")[0] }],
  });
  expect(await places(project, "r.b")).toEqual(HELD);
  expect(await settle(project, ends)).toMatchObject({ begun: 0, carried: [], over: [] });
});

test("without a free slot, or in a queue or of a task that is paused, it goes into its list", async () => {
  for (const field of [undefined, "default", "task:math:add"]) {
    const project = setup();
    if (field !== undefined) await project.raw.hset(project.keys.paused, field, 1);
    const ends = await held(project, new WorkflowGraph(workflow(chain)), "a");
    expect(await settle(project, ends, field !== undefined)).toMatchObject({ begun: 1, carried: [] });
    expect(await places(project, "r.b")).toEqual(WAITS);
  }
});

test("what else is paused makes no difference", async () => {
  const project = setup();
  await project.raw.hset(project.keys.paused, "task:other:work", 1);
  await settle(project, await held(project, new WorkflowGraph(workflow(chain)), "a"));
  expect(await places(project, "r.b")).toEqual(HELD);
});

test("of several that begin with one end the worker takes one, and none that waits for a time or has a limit", async () => {
  const limit = { name: "math:add ", limit: 5 };
  const steps = [
    step("a"),
    step("late", ["a"], value(1), { delayMs: 60_000 }),
    step("few", ["a"], value(1), { job: { ...jobOf(add as never), limit } }),
    step("b", ["a"]),
    step("c", ["a"]),
  ];
  const project = setup();
  const graph = new WorkflowGraph(workflow(steps));
  const { begun, carried } = await settle(project, await held(project, graph, "a"));
  expect([begun, carried.map(({ begin }) => begin?.mold.step)]).toEqual([4, ["b"]]);
  expect(await places(project, "r.b")).toEqual(HELD);
  for (const id of ["r.few", "r.c"]) expect(await places(project, id)).toEqual(WAITS);
});

test("a run ends with the step that says what it gives", async () => {
  const project = setup();
  const { keys, raw } = project;
  const [end] = await held(project, new WorkflowGraph(workflow(chain)), "c");
  const { over, carried } = await settle(project, [{ ...end!, finale: encodeFinale(60_000, { sum: 4 }) }]);
  expect([over, carried]).toEqual([[0], []]);
  expect(await raw.hget(keys.workflows, "r :state")).toMatch(/^completed \d+ \{"sum":4\}$/);
  expect(await raw.hexists(keys.workflows, "r :open")).toBe(0);
  expect(await raw.zscore(keys.running, "r")).toBeNull();
  expect(Number(await raw.zscore(keys.ended, "r")) - Date.now()).toBeGreaterThan(30_000);
});

test("one that does not go on any more is decided on", async () => {
  const project = setup();
  const { keys, raw } = project;
  const [end] = await held(project, new WorkflowGraph(workflow(chain)), "c");
  await raw.hset(keys.workflows, "r :state", "cancelling");
  const { over, carried } = await settle(project, [{ ...end!, finale: encodeFinale(60_000, { sum: 4 }) }]);
  expect([over, carried]).toEqual([[], [{ end: 0, begin: undefined }]]);
  expect(await places(project, "r:end")).toEqual(HELD);
  expect(await raw.hmget(keys.workflows, "r :state", "r :open")).toEqual(["cancelling", "1"]);
});

test("a step is undone once, also where the decision to do so is sent again when the next one is to be made", async () => {
  const project = setup();
  const { keys, raw } = project;
  const graph = new WorkflowGraph(workflow([step("a", [], value(1), { compensate: jobOf(add as never) })]));
  const [end] = await held(project, graph, "a");
  await raw.hset(keys.workflows, "r :state", "compensating");
  await settle(project, [end!]);
  expect(await places(project, "r:end")).toEqual(HELD);
  const decision = { ...end!, id: "r:end", step: "", begins: [graph.undo(graph.step("a")!)] };
  await settle(project, [decision], false);
  expect(await places(project, "r.a.undo")).toEqual(WAITS);
  await raw.del(keys.queue("default").pending);
  await raw.hset(keys.active, "r.a.undo", "w");
  await settle(project, [{ ...end!, id: "r.a.undo", step: "a~", begins: [] }]);
  expect(await places(project, "r:end")).toEqual(HELD);
  await settle(project, [decision]);
  expect(await places(project, "r:end")).toEqual(HELD);
  expect(await raw.hkeys(keys.jobs)).toEqual(["r:end"]);
  expect(await raw.hget(keys.workflows, "r :open")).toBe("1");
});

test("a step of a queue that the worker does not serve waits for one that does", async () => {
  const elsewhere = { ...add, name: "far:add", queue: "elsewhere" };
  const queues = ["default", "elsewhere"].map((name) => ({ name, weight: 1 }));
  const project = setup({ tasks: [add, elsewhere], queues });
  const { keys, raw } = project;
  const handlers = { "math:add": () => 1, "far:add": () => 2 } as never;
  await project.worker(handlers, { queues: ["default"] });
  const far = { ...step("b", ["a"]), job: jobOf(elsewhere as never) };
  const output = object({ b: result("b") });
  const run = await start(project, workflow([step("a"), far], { output }), {}, "r");
  const { pending } = keys.queue("elsewhere");
  await until("its step to wait", async () => (await raw.lrange(pending, 0, -1)).includes("r.b"));
  await project.worker(handlers, { queues: ["elsewhere"] });
  expect(await run.result()).toEqual({ b: 2 });
});

/** Ends the step `a` of a new run with a worker that calls itself so; the slot was taken then. Says what it carried on with. */
async function endFirst(project: Project, since: number, worker: () => string): Promise<readonly string[]> {
  const graph = new WorkflowGraph(workflow(chain));
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const [end] = await held(project, graph, "a");
  const carried: string[] = [];
  const ends = new StepEnds({
    connection,
    keys: project.keys,
    logger: new RecordingLogger(),
    worker,
    fetcher: {
      claimBeside: (call) => call(true),
      forget: () => undefined,
      invite: () => undefined,
      round: 0,
      wake: () => undefined,
    },
    serves: () => true,
    onCarried: (jobs) => carried.push(...jobs.map(({ begin }) => begin?.mold.step ?? "")),
    onFree: () => undefined,
    onOver: () => undefined,
  });
  ends.add(end!, { since, step: graph.step("a"), undoes: false } as StepContext);
  expect(ends.keeping).toBe(1);
  await ends.settled();
  expect(ends.keeping).toBe(0);
  return carried;
}

test("steps that have had a slot for long go back to the lists", async () => {
  for (const [ms, place] of [
    [-99_000, WAITS],
    [99_000, HELD],
  ] as const) {
    const project = setup();
    const carried = await endFirst(project, performance.now() + ms, () => "w");
    expect(await places(project, "r.b")).toEqual(place);
    expect(carried).toEqual(place === HELD ? ["b"] : []);
  }
});

test("what comes with an answer to a worker that has lost its lease meanwhile is left to whoever takes it back", async () => {
  const project = setup();
  let asked = 0;
  // Asked before the call goes out, and by the answer.
  const worker = () => (asked++ < 2 ? "w" : "next");
  expect(await endFirst(project, performance.now() + 99_000, worker)).toEqual([]);
  expect(await places(project, "r.b")).toEqual(HELD);
});

/** How often each script was called. */
async function calls(project: Project, play: () => Promise<unknown>): Promise<Map<string, number>> {
  const monitor = await project.raw.duplicate().monitor();
  onTestFinished(() => monitor.disconnect());
  const seen = new Map<string, number>();
  monitor.on("monitor", (_time: string, [name = "", sha = ""]: string[]) => {
    const what = name.toLowerCase().startsWith("eval") ? sha : name.toLowerCase();
    seen.set(what, (seen.get(what) ?? 0) + 1);
  });
  await play();
  const end = new Promise((resolve) =>
    monitor.on("monitor", (_time: string, [name]: string[]) => name === "echo" && resolve(undefined)),
  );
  await project.raw.echo("end");
  await end;
  return seen;
}

test("a chain and its output cost one claim, one read, and one call a step", async () => {
  const project = setup();
  const { keys, raw } = project;
  for (const script of [advanceScript, settleStepsScript, endRunScript])
    await raw.script("LOAD", script.text);
  await project.worker({ "math:add": ({ payload }: never) => (payload as { n: number }).n + 1 } as never);
  const output = object({ all: ["list", [result("a"), result("c")]], id: path("input", "id") });
  await (await start(project, workflow(chain, { output }), { id: 0 })).result();
  const seen = await calls(project, async () => {
    const run = await start(project, workflow(chain, { output }), { id: 7 });
    expect(await run.result()).toEqual({ all: [2, 4], id: 7 });
  });
  expect(seen.get(settleStepsScript.sha)).toBe(3);
  expect(seen.get(endRunScript.sha)).toBeUndefined();
  expect(await raw.hlen(keys.jobs)).toBe(0);
});

test("where steps may end in any order, somebody decides", async () => {
  const project = setup();
  const steps = [...chain, step("d", ["a"])];
  await project.worker({ "math:add": ({ payload }: never) => (payload as { n: number }).n + 1 } as never);
  const run = await start(project, workflow(steps, { output: object({ c: result("c"), d: result("d") }) }));
  expect(await run.result()).toEqual({ c: 4, d: 2 });
});

test("an answer that is lost gives each job to its worker all the same, and once", async () => {
  const project = setup();
  await project.raw.script("LOAD", settleStepsScript.text);
  const proxy = await startProxy(redis.port);
  const seen: number[] = [];
  const handler = ({ payload }: { payload: { n: number } }) => {
    seen.push(payload.n);
    return payload.n + 1;
  };
  await project.worker({ "math:add": handler } as never, { url: proxy.url });
  for (let round = 0; round < 5; round++) {
    proxy.loseReplies(settleStepsScript.sha, 2);
    const run = await start(project, workflow(chain, { output: object({ c: result("c") }) }));
    expect(await within(10_000, "the run to end", run.result())).toEqual({ c: 4 });
  }
  expect(proxy.lost).toBe(10);
  expect(seen).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3]);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(0);
});

test("a handler may change what it gets: the steps after it, and the output, see the input as it was", async () => {
  const project = setup();
  const seen: unknown[] = [];
  const handler = ({ payload }: { payload: { n: { list: number[] } } }) => {
    seen.push(structuredClone(payload.n));
    payload.n.list.push(seen.length);
  };
  await project.worker({ "math:add": handler } as never);
  const input = { own: { list: [0] } };
  const own = path("input", "own");
  const steps = [step("a", [], own), step("b", ["a"], own), step("c", ["b"], own)];
  const run = await start(project, workflow(steps, { output: object({ own }) }), input);
  expect(await run.result()).toEqual(input);
  expect(seen).toEqual([input.own, input.own, input.own]);
});

test("a run that is cancelled while its step runs is carried on no more", async () => {
  const project = setup();
  const order: string[] = [];
  const [reached, go] = [signal(), signal()];
  const handler = async ({ id }: { id: string }) => {
    order.push(id);
    if (id !== "r.b") return;
    reached.send();
    await go.promise;
  };
  const plain = [step("a"), step("b", ["a"]), step("c", ["b"])];
  const run = await start(project, workflow(plain), {}, "r");
  await project.worker({ "math:add": handler } as never, { concurrency: 1 });
  await reached.promise;
  await run.cancel();
  go.send();
  await expect(run.result()).rejects.toThrow("RunCancelled");
  expect(order).toEqual(["r.a", "r.b"]);
});

test("queues get their shares although steps are carried on", async () => {
  const queues = [
    { name: "flows", weight: 1 },
    { name: "jobs", weight: 9 },
  ];
  const project = setup({
    queues,
    tasks: [
      { ...add, queue: "flows" },
      { ...other, queue: "jobs" },
    ],
  });
  const names = Array.from({ length: 20 }, (_unused, i) => `s${i}`);
  const job = { ...jobOf(add as never), queue: "flows" };
  const long = names.map((name, i) => ({ name, needs: i === 0 ? [] : [`s${i - 1}`], job }));
  const definition = workflow(long, { queue: "flows" });
  await Promise.all(Array.from({ length: 150 }, () => start(project, definition)));
  await project.many(
    other as never,
    Array.from({ length: 6000 }, () => ({})),
    { queue: "jobs" },
  );
  let [flows, jobs] = [0, 0];
  const enough = signal();
  const count = () => (flows + jobs === 5000 ? enough.send() : undefined);
  const handlers = {
    "math:add": () => {
      flows += flows + jobs < 5000 ? 1 : 0;
      count();
    },
    "other:work": () => {
      jobs += flows + jobs < 5000 ? 1 : 0;
      count();
    },
  };
  await project.worker(handlers as never, { concurrency: 4 });
  await enough.promise;
  // Of the chains that are claimed first all steps run at once, before the others have caught up; unpaid they would have two thirds.
  expect(flows / (flows + jobs)).toBeGreaterThan(0.05);
  expect(flows / (flows + jobs)).toBeLessThan(0.35);
});
