// The auditor on the jobs of workflow runs: those of large fan-outs, and those that wait for runs that are steps.
import { expect, test } from "vitest";
import type { WorkflowStep } from "../../../runtime/definition/index.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { childOf, children, endOf, path, start, value, workflow } from "../../support/workflow.js";
import { job, mend, type RunBench, setupRuns, working } from "./run-bench.js";

const redis = await startRedis();
const setup = () => setupRuns(redis);

test("counts the items of a fan-out of thousands, in parts", { timeout: 120_000 }, async () => {
  const bench = setup();
  const { project, db, keys, inspector } = bench;
  const [ITEMS, LAST] = [5000, "fan.b.4321"];
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await project.worker({ "math:add": () => released } as never);
  const step = { name: "b", needs: [], forEach: path("input", "list"), job: job(), maxParallel: ITEMS };
  const list = Array.from({ length: ITEMS }, () => 1);
  const run = await start(project, workflow([step]), { list }, "fan");
  const count = () => db.hget(keys.workflows, "fan :open");
  await until("all items to wait", async () => (await count()) === String(ITEMS));
  await until("the fan-out to have begun", async () => (await db.hexists(keys.jobs, "fan.b")) === 0);
  for (const wrong of ["4999", "5001", "x"]) {
    await db.hset(keys.workflows, "fan :open", wrong);
    expect(await mend(bench)).toEqual({ found: ["TW-F64"], left: [] });
    expect(await count()).toBe(String(ITEMS));
  }
  await db.lrem(keys.queue("default").pending, 0, LAST);
  const record = (await db.hget(keys.jobs, LAST))!;
  await db.hdel(keys.jobs, LAST);
  expect((await inspector.audit()).counts).toEqual({ "TW-F64": 1 });
  await db.hset(keys.jobs, LAST, record);
  await db.rpush(keys.queue("default").pending, LAST);
  expect(await mend(bench)).toEqual({ found: [], left: [] });
  release();
  expect(await endOf(run)).toBe("completed");
});

/** A run whose step is a run, or a fan-out of such, in which a job is held up until it is released. */
async function nested(bench: RunBench, id: string, more: Partial<WorkflowStep> = {}) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const worker = await bench.project.worker({ "math:add": () => released } as never);
  const inner = workflow([{ name: "a", needs: [], job: job() }], { name: "test:inner" });
  const outer = workflow([{ name: "in", needs: [], ...childOf(inner), ...more }], children(inner));
  const top = workflow([{ name: "deep_inside_of_it", needs: [], ...childOf(outer) }], {
    name: "test:top",
    ...children(outer),
  });
  const run = await start(bench.project, top, {}, id);
  const { keys, db } = bench;
  const waits = more.forEach === undefined ? 2 : 3;
  const { due } = keys.queue("default");
  await until("the jobs to wait for their runs", async () => (await db.zcard(due)) === waits);
  return { run, worker, release, jobs: await db.zrange(due, 0, "-1") };
}

async function lose({ db, keys }: RunBench, job: string): Promise<void> {
  const { due, pending } = keys.queue("default");
  await db.zrem(due, job);
  await db.lrem(pending, 0, job);
  await db.hdel(keys.jobs, job);
  await db.hdel(keys.runs, job);
}

const nestings: [what: string, id: string, more: Partial<WorkflowStep>][] = [
  ["readable", "outer", {}],
  ["hashed", "o".repeat(80), {}],
  ["hashed, of a fan-out", "o".repeat(80), { forEach: value([1, 2]) }],
];
test.each(nestings)(
  "jobs that wait for runs that go on wait again where they are lost (ids: %s)",
  async (what, id, more) => {
    const bench = setup();
    const { run, release, jobs } = await nested(bench, id, more);
    expect(await mend(bench)).toEqual({ found: [], left: [] });
    for (const job of jobs) await lose(bench, job);
    expect(await mend(bench)).toEqual({ found: jobs.map(() => "TW-F68"), left: [] });
    await until(
      "the jobs to wait",
      async () => (await bench.db.zcard(bench.keys.queue("default").due)) === jobs.length,
    );
    expect(await bench.inspector.showRun(id)).toMatchObject({ state: "running" });
    release();
    expect(await endOf(run)).toBe("completed");
  },
);

test("a step whose run has ended, and whose job is lost, ends as that did", async () => {
  const bench = setup();
  const { db, keys, inspector } = bench;
  const { run, worker, release, jobs } = await nested(bench, "outer");
  for (const job of jobs) await lose(bench, job);
  release();
  await until("the inner run to end", async () => (await db.zcard(keys.ended)) === 1);
  await worker.stop();
  const { findings } = await inspector.audit({ repair: true });
  expect(findings.map(({ code, outcome }) => `${code} ${outcome}`)).toEqual([
    "TW-F68 repaired",
    "TW-F68 repaired",
  ]);
  await working(bench.project);
  expect(await endOf(run)).toBe("completed");
});

test("a job that waits for a run that has ended looks at it, unless that is to go on or is another's", async () => {
  const bench = setup();
  const { db, keys } = bench;
  const { run, release } = await nested(bench, "outer");
  const { due, pending } = keys.queue("default");
  const job = "outer.deep_inside_of_it";
  // From here on its end finds nobody that waits.
  await db.zrem(due, job);
  release();
  await until("the run of the step to end", async () => (await db.zcard(keys.ended)) === 2);
  await db.zadd(due, Date.now() + 3_600_000, job);
  for (const [field, text] of [
    [`outer deep_inside_of_it^`, "2"],
    [`outer deep_inside_of_it%`, "1"],
  ] as const) {
    await db.hset(keys.workflows, field, text);
    expect(await mend(bench)).toEqual({ found: [], left: [] });
    await db.hdel(keys.workflows, field);
  }
  expect((await bench.inspector.audit()).counts).toEqual({ "TW-F68": 1 });
  expect((await bench.inspector.audit({ repair: true })).remaining).toBe(0);
  expect(await endOf(run)).toBe("completed");
  expect(await db.lrange(pending, 0, -1)).toEqual([]);
});
