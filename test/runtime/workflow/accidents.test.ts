// What is stored of a run cannot be used: its step or the run fails, others go on, and nothing hangs.
import { expect, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { runFields } from "../../../runtime/protocol/index.js";
import type { Claim } from "../../../runtime/worker/claims/claim.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { WorkflowIntake } from "../../../runtime/worker/runs/workflow-intake.js";
import { defineTask, RecordingLogger, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, object, outcomes, path, start, waitStep, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const step = (name: string, needs: string[] = [], more = {}) => ({
  name,
  needs,
  job: jobOf(add as never),
  ...more,
});
const chain = [step("a"), step("b", ["a"])];
const setup = () => setupProject({ redis, tasks: [add] as never });
const handlers = { "math:add": () => 1 } as never;

test.each([
  [
    "whose record is spoiled",
    "{",
    /^RunFailed: .* the run cannot go on: what is stored of it cannot be used/,
  ],
  ["whose record is something else", "7", /^RunFailed: .* cannot be used \(TypeError\)/],
])("a run %s fails, and holds up none that is claimed with it", async (_what, text, reason) => {
  const project = setup();
  const { keys, raw } = project;
  const runs = await Promise.all([1, 2, 3, 4].map(() => start(project, workflow(chain))));
  await raw.hset(keys.workflows, runs[0]!.id, text);
  await project.worker(handlers);
  for (const run of runs.slice(1)) await run.result();
  await expect(runs[0]!.result()).rejects.toThrow(reason);
  expect(await outcomes(project, runs[0]!.id)).toEqual({ a: "failed" });
  expect(await raw.hlen(keys.jobs)).toBe(0);
});

test.each([
  ["is spoiled", "{", /what is stored of it cannot be used \(SyntaxError\)/],
  ["is something else", '{"steps":[]}', /what is stored of it cannot be used \(TypeError\)/],
  ["is not stored", undefined, /its definition is not stored/],
])("a run whose definition %s fails", async (_what, text, reason) => {
  const project = setup();
  const { keys, raw } = project;
  const bad = workflow(chain, { hash: "bbbbbbbb", timeoutMs: 600_000 });
  const [good, broken] = [await start(project, workflow(chain)), await start(project, bad)];
  const field = runFields.definition(bad.name, bad.hash);
  if (text === undefined) await raw.hdel(keys.workflows, field);
  else await raw.hset(keys.workflows, field, text);
  await project.worker(handlers);
  await good.result();
  await expect(broken.result()).rejects.toThrow(reason);
  expect(await raw.hlen(keys.jobs)).toBe(0);
});

test("a run whose counts are spoiled holds up none whose steps end with it, and comes to an end", async () => {
  const project = setup();
  const { keys, raw } = project;
  const join = [step("a"), step("b"), step("c", ["a", "b"])];
  const runs = await Promise.all([1, 2, 3, 4].map(() => start(project, workflow(join))));
  const [first, second] = [runs[0]!.id, runs[1]!.id];
  await raw.hset(keys.workflows, runFields.open(first), "x", runFields.met(second, "c"), "x");
  await project.worker(handlers, { concurrency: 8 });
  const [spoiled, ...others] = await Promise.all(runs.map(endOf));
  // Where the last step ends before anybody has looked, nothing is missing.
  expect(["RunFailed", "completed"]).toContain(spoiled);
  expect(others).toEqual(["completed", "completed", "completed"]);
  await until("nothing is left of its jobs", async () => (await raw.hlen(keys.jobs)) === 0);
});

test("a run that Redis refuses holds up none that starts in the same tick", async () => {
  const project = setup();
  const { keys, raw } = project;
  const { pending } = keys.queue("other");
  await raw.set(pending, "not a list");
  const other = workflow([step("a", [], { job: { ...jobOf(add as never), queue: "other" } })]);
  const starts = [chain, other.steps, chain, chain].map((steps, i) =>
    start(project, workflow(steps, { hash: `${Number(i === 1)}bbbbbbb` }), {}, `r${i}`),
  );
  const answers = await Promise.allSettled(starts);
  expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  await expect(starts[1]).rejects.toThrow(/^RedisRefused: .*WRONGTYPE/);
  await project.worker(handlers, { concurrency: 8 });
  for (const i of [0, 2, 3]) await (await starts[i]!).result();
  await raw.del(pending);
  await raw.hdel(keys.jobs, "r1.a");
});

test("a step that cannot be put into its queue holds up no run whose steps end with it", async () => {
  const queues = ["default", "other"].map((name) => ({ name, weight: 1 }));
  const project = setupProject({ redis, tasks: [add] as never, queues });
  const { keys, raw } = project;
  const { pending } = keys.queue("other");
  const astray = [step("a"), step("b", ["a"], { job: { ...jobOf(add as never), queue: "other" } })];
  const runs = await Promise.all(
    [chain, astray, chain, chain].map((steps, i) => start(project, workflow(steps, { hash: `${i}bbbbbbb` }))),
  );
  await raw.set(pending, "not a list");
  await project.worker(handlers, { concurrency: 8, queues: ["default"] });
  for (const i of [0, 2, 3]) await runs[i]!.result();
  const lost = `${runs[1]!.id}.b`;
  expect(await raw.hkeys(keys.jobs)).toEqual([lost]);
  // What stood in its place is gone; the job can be put there, as weft fsck does.
  await raw.del(pending);
  await raw.rpush(pending, lost);
  await project.worker(handlers, { queues: ["other"] });
  await runs[1]!.result();
});

test("a run whose output cannot be made fails, frees its key and listens no more", async () => {
  const project = setup();
  const output = ["object", null] as never;
  const run = await start(
    project,
    workflow([step("a"), waitStep("wait", [], {}, { if: ["value", false] })], { output }),
    { key: 1 },
  );
  await project.worker(handlers);
  await expect(run.result()).rejects.toThrow(/cannot be used \(TypeError\)/);
  expect(await project.raw.exists(project.keys.listeners, project.keys.jobs)).toBe(0);
});

test("an item that is spoiled fails, and its rule says what becomes of the run", async () => {
  const project = setup();
  const each = step("each", [], {
    // One of these is stored by itself.
    forEach: ["list", [0, 1, 2].map((index) => path("input", "list", index))],
    job: jobOf(add as never, path("item")),
    maxParallel: 1,
    onFailure: "continue",
  });
  const definition = workflow([each], { output: object({ made: path("steps", "each", "result") }) });
  const run = await start(project, definition, { list: [1, 2, 3] });
  const spoil = () => project.raw.hset(project.keys.workflows, runFields.item(run.id, "each", 1), "{");
  await project.worker({
    "math:add": async ({ payload }: { payload: { n: number } }) => {
      if (payload.n === 1) await spoil();
      return payload.n;
    },
  } as never);
  expect(await run.result()).toEqual({ made: [1, null, 3] });
});

test("a worker that is stopped without Redis asks no longer", async () => {
  const project = setup();
  const { keys } = project;
  const logger = new RecordingLogger();
  const connection = new Connection({ url: redis.url }, "test");
  connection.disconnect();
  const ready: Claim[] = [];
  const intake = new WorkflowIntake({
    connection,
    keys,
    logger,
    worker: () => "w",
    now: () => 0,
    reader: new RunReader(connection, keys),
    ends: undefined as never,
    decider: undefined as never,
    fetcher: undefined as never,
    inputs: undefined as never,
    hold: () => undefined,
    ready: (claims) => void ready.push(...claims),
    quarantine: () => undefined,
    halt: () => undefined,
    maxResultCharacters: 1,
  });
  const options = { run: "r", workflow: "test:flow 0a1b2c3d", step: "a" };
  intake.sift([{ id: "r.a", record: { options }, run: { attempts: 0, crashes: 0 } } as never]);
  await until("it has asked", () => logger.messages("warn").length > 0);
  intake.close();
  await intake.settled();
  expect([intake.preparing, ready.length]).toEqual([0, 0]);
});

test("with a run that is removed go its dead jobs, also where its record is spoiled", async () => {
  const project = setup();
  const { keys, raw } = project;
  await project.worker({
    "math:add": () => {
      throw new Error("no");
    },
  } as never);
  const each = step("each", [], { forEach: path("input", "list") });
  const definition = workflow([each, step("a")], { keepMs: 1 });
  const runs = await Promise.all(
    ["r", "spoiled"].map((id) => start(project, definition, { list: [1, 2] }, id)),
  );
  for (const run of runs) await expect(run.result()).rejects.toThrow(/RunFailed/);
  expect(await raw.zrange(keys.dead, 0, "-1")).toContain("r.a");
  await raw.hset(keys.workflows, "spoiled", "{");
  const connection = new Connection({ url: redis.url }, "test");
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  await until("both are removed", async () => {
    await sweeper.sweep();
    return (await raw.exists(keys.ended)) === 0;
  });
  connection.disconnect();
  for (const key of [keys.jobs, keys.runs])
    expect((await raw.hkeys(key)).filter((id) => id.startsWith("r."))).toEqual([]);
  expect((await raw.zrange(keys.dead, 0, "-1")).filter((id) => id.startsWith("r."))).toEqual([]);
  // Of the spoiled one nobody can say which fields it has.
  expect(await raw.hexists(keys.workflows, "spoiled")).toBe(0);
  await raw.del(keys.workflows);
});
