// The auditor on workflow runs: every finding on a run that is really broken, its repair, and that it leaves sound ones alone.
import { expect, onTestFinished, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import { createInspector, type Inspector } from "../../../runtime/inspect/index.js";
import type { ShardKeys } from "../../../runtime/protocol/index.js";
import { mendRun, resumeRun } from "../../../runtime/scripts/index.js";
import { WorkflowGraph } from "../../../runtime/workflow/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { childOf, children, endOf, jobOf, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });
const job = (n = value(1)) => jobOf(add as never, n);
const flow = workflow([
  { name: "a", needs: [], job: job() },
  { name: "b", needs: ["a"], forEach: value([1, 2, 3]), job: job(path("item")) },
]);
const FAR = 9_000_000_000_000;

interface Bench {
  readonly project: Project;
  readonly inspector: Inspector;
  readonly keys: ShardKeys;
  readonly connection: Connection;
  readonly db: Connection["redis"];
}

function setup(): Bench {
  const project = setupProject({ redis, tasks: [add] as never });
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const inspector = createInspector({ connection, keys: project.keys });
  return { project, inspector, keys: project.keys, connection, db: connection.redis };
}

/** A run whose first step waits, and one that has ended. */
async function twoRuns({ project }: Bench): Promise<void> {
  const worker = await working(project);
  await endOf(await start(project, flow, {}, "over"));
  await worker.stop();
  await start(project, flow, {}, "on");
}

function working(project: Project) {
  return project.worker({ "math:add": ({ payload: { n } }: { payload: { n: number } }) => n } as never);
}

/** Codes of what is found without and with a repair, and of what is left after it. */
async function mend({ inspector }: Bench): Promise<Readonly<Record<"found" | "left", readonly string[]>>> {
  const codes = (report: Awaited<ReturnType<typeof inspector.audit>>) =>
    report.findings.map(({ code, repair }) => (repair === undefined ? `${code} by hand` : code));
  const found = codes(await inspector.audit());
  expect(codes(await inspector.audit({ repair: true }))).toEqual(found);
  return { found, left: codes(await inspector.audit()) };
}

type Break = (bench: Bench) => Promise<unknown>;
const broken: [what: string, codes: readonly string[], breakIt: Break][] = [
  ["a run that goes on in no list", ["TW-F60"], ({ db, keys }) => db.zrem(keys.running, "on")],
  ["a run that has ended in no list", ["TW-F60"], ({ db, keys }) => db.zrem(keys.ended, "over")],
  ["a run that goes on among the ended ones", ["TW-F60"], ({ db, keys }) => db.zadd(keys.ended, FAR, "on")],
  ["a run that has ended among the others", ["TW-F60"], ({ db, keys }) => db.zadd(keys.running, 1, "over")],
  ["a list that names no run", ["TW-F61"], ({ db, keys }) => db.zadd(keys.running, 1, "gone")],
  [
    "fields of no run",
    ["TW-F62"],
    ({ db, keys }) => db.hset(keys.workflows, "gone a", "c1 null", "gone :open", 1),
  ],
  [
    "many fields of no run",
    ["TW-F62"],
    ({ db, keys }) => {
      const items = Array.from({ length: 500 }, (_unused, index) => [`gone b.${index}`, "c1 null"]);
      return db.hset(keys.workflows, ...items.flat(), "gone :state", "completed 1 null", "gone :open", 2);
    },
  ],
  ["a record that is none", ["TW-F63 by hand"], ({ db, keys }) => db.hset(keys.workflows, "on", "[1,")],
  [
    "an end that is none",
    ["TW-F63 by hand"],
    ({ db, keys }) => db.hset(keys.workflows, "over :state", "completed 5 {"),
  ],
  ["a count that is too high", ["TW-F64"], ({ db, keys }) => db.hset(keys.workflows, "on :open", 3)],
  ["a count of nothing", ["TW-F64"], ({ db, keys }) => db.hset(keys.workflows, "on :open", 0)],
  ["no count", ["TW-F64"], ({ db, keys }) => db.hdel(keys.workflows, "on :open")],
  ["a run that has ended and counts", ["TW-F65"], ({ db, keys }) => db.hset(keys.workflows, "over :open", 2)],
  [
    "a run without its definition",
    ["TW-F66 by hand"],
    async ({ db, keys }) => {
      await db.hdel(keys.workflows, "over", "over :state", "over a", "over b", "over b*", "over b*#");
      await db.zrem(keys.ended, "over");
      for (const field of await db.hkeys(keys.workflows))
        if (field.startsWith("over ") || field.startsWith("@")) await db.hdel(keys.workflows, field);
    },
  ],
  [
    "a run that has ended and listens",
    ["TW-F67"],
    ({ db, keys }) => db.zadd(keys.listeners, 0, 'test:event ["key"]\n"k"\ndefault over a'),
  ],
  [
    "a run that is gone and listens",
    ["TW-F67"],
    ({ db, keys }) => db.zadd(keys.listeners, 0, 'test:event ["key"]\n"k"\ndefault gone a'),
  ],
];

test.each(broken)("finds, repairs and is content with %s", async (_what, codes, breakIt) => {
  const bench = setup();
  await twoRuns(bench);
  expect(await mend(bench)).toEqual({ found: [], left: [] });
  await breakIt(bench);
  const { found, left } = await mend(bench);
  expect(found).toEqual(codes);
  expect(left).toEqual(codes.filter((code) => code.endsWith("by hand")));
  // What is left broken would be found again when the test ends.
  if (left.length > 0) await bench.db.flushdb();
});

test("an end that is none is a finding for those who wait for it, too", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await twoRuns(bench);
  await db.hset(keys.workflows, "over :state", "completed 5 {");
  await db.hset(keys.waits, "over", "client");
  expect((await mend(bench)).found).toContain("TW-F63 by hand");
  await db.flushdb();
});

test("a job that a worker holds is under way, whatever has become of its record", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await twoRuns(bench);
  await db.lrem(keys.queue("default").pending, 0, "on.a");
  await db.zadd(keys.leases, FAR, "somebody");
  await db.hset(keys.active, "on.a", "somebody");
  await db.hdel(keys.jobs, "on.a");
  expect((await bench.inspector.audit()).findings.map(({ code }) => code)).toEqual(["TW-F03"]);
  await db.flushdb();
});

test("a run that was retried from its first step leaves nothing behind when it is gone", async () => {
  const bench = setup();
  const { project, inspector, keys, db } = bench;
  let fails = true;
  await project.worker({
    "math:add": () => {
      if (fails) throw new PermanentError("not yet");
    },
  } as never);
  const short = workflow([{ name: "a", needs: [], job: job() }], { keepMs: 500 });
  expect(await endOf(await start(project, short, {}, "again"))).not.toBe("completed");
  fails = false;
  await inspector.retryRun("again");
  await until("the run to be gone", async () => (await db.hlen(keys.workflows)) === 0);
});

test("what is about to end an attempt does not end the one that a retry has begun", async () => {
  const bench = setup();
  const { project, inspector, keys, db } = bench;
  const worker = await project.worker({
    "math:add": () => {
      throw new PermanentError("not yet");
    },
  } as never);
  const short = workflow([{ name: "a", needs: [], job: job() }]);
  expect(await endOf(await start(project, short, {}, "again"))).not.toBe("completed");
  await worker.stop();
  // As if the worker that ran it stood still between the end of the step and that of the job.
  await db.zadd(keys.leases, FAR, "slow", FAR, "resumer");
  await db.hset(keys.active, "again.a", "slow");
  await db.zrem(keys.dead, "again.a");
  await inspector.retryRun("again");
  await db.lrem(keys.queue("default").pending, 0, "again:end");
  await db.hset(keys.active, "again:end", "resumer");
  const nothing = {
    removed: [],
    renamed: new Map(),
    dropped: [],
    keepsNotes: false,
    written: new Map(),
    timeout: undefined,
    listeners: [],
  };
  const begins = [new WorkflowGraph(short).again("again", short.steps[0]!, 1)];
  const call = { keys, worker: "resumer", id: "again:end", run: "again", isLast: true, begins, ...nothing };
  expect(await resumeRun(bench.connection, call)).toBe("RESUMED");
  expect(await db.hget(keys.active, "again.a")).toBeNull();
  await db.flushdb();
});

test("a run whose step is a run is not decided before that has ended, although the job that waits is lost", async () => {
  const bench = setup();
  const { project, inspector, keys, db } = bench;
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  await project.worker({ "math:add": () => released } as never);
  const inner = workflow([{ name: "a", needs: [], job: job() }], { name: "test:inner" });
  const outer = workflow([{ name: "in", needs: [], ...childOf(inner) }], children(inner));
  await start(project, outer, {}, "outer");
  const { due } = keys.queue("default");
  await until("the job to wait for its run", async () => (await db.zscore(due, "outer.in")) !== null);
  await db.zrem(due, "outer.in");
  await db.hdel(keys.jobs, "outer.in");
  await db.hdel(keys.runs, "outer.in");
  const by = async (options = {}) =>
    (await inspector.audit(options)).findings.map(({ code, outcome }) => `${code} ${outcome ?? "by hand"}`);
  expect(await by({ repair: true })).toEqual(["TW-F64 by hand"]);
  expect(await db.hget(keys.workflows, "outer :state")).toBeNull();
  release();
  await until("the inner run to end", async () => (await db.zcard(keys.ended)) === 1);
  expect(await by({ repair: true })).toEqual(["TW-F64 repaired"]);
  await until("the outer run to fail", async () => (await inspector.showRun("outer")).state === "failed");
});

test("a run that has lost its job hangs; once it is repaired it fails, and goes on when it is retried", async () => {
  const bench = setup();
  const { project, db, keys, inspector } = bench;
  await twoRuns(bench);
  const { pending } = keys.queue("default");
  await db.hdel(keys.jobs, "on.a");
  await db.lrem(pending, 0, "on.a");
  expect(await mend(bench)).toEqual({ found: ["TW-F64"], left: [] });
  await working(project);
  const stateOf = async () => (await inspector.showRun("on")).state;
  await until("the run to fail", async () => (await stateOf()) === "failed");
  expect(JSON.stringify(await inspector.showRun("on"))).toContain("these steps have not ended: a, b");
  await inspector.retryRun("on");
  await until("the run to complete", async () => (await stateOf()) === "completed");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test.each([
  ["another record", { record: "[]" }],
  ["another state", { state: "failing" }],
  ["another count", { open: "7" }],
])("a repair lets a run alone that was seen with %s", async (_what, stale) => {
  const bench = setup();
  const { db, keys } = bench;
  await twoRuns(bench);
  const seen = { record: (await db.hget(keys.workflows, "on"))!, state: "", open: "1" };
  const target = { runningSince: undefined, removedAt: 5, open: "3", decider: undefined };
  const call = { keys, run: "on", queue: "default", target, fields: ["on"], listeners: [] };
  expect(await mendRun(bench.connection, { ...call, seen: { ...seen, ...stale } })).toBe("MOVED");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test("where the job that decides is there, none is put beside it", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await twoRuns(bench);
  const record = (await db.hget(keys.workflows, "on"))!;
  const decider = { id: "on.a", queue: "default", delayMs: 0, limit: "", record: "[]" };
  const target = { runningSince: 5, removedAt: undefined, open: "1", decider };
  const call = { keys, run: "on", queue: "default", target, fields: [], listeners: [] };
  expect(await mendRun(bench.connection, { ...call, seen: { record, state: "", open: "1" } })).toBe("MOVED");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test(
  "finds nothing beside runs that start, fan out, fail and are cancelled",
  { timeout: 60_000 },
  async () => {
    const { project, inspector } = setup();
    const worker = await project.worker({
      "math:add": async ({ payload: { n } }: { payload: { n: number } }) => {
        await new Promise((resolve) => setImmediate(resolve));
        return n;
      },
    } as never);
    let going = true;
    const audits = (async () => {
      const found: unknown[] = [];
      let looks = 0;
      for (; going || looks < 3; looks++) found.push(...(await inspector.audit({ repair: true })).findings);
      return { found, looks };
    })();
    for (let round = 0; round < 20; round++) {
      const ids = Array.from({ length: 20 }, (_unused, index) => `r${round}-${index}`);
      const runs = await Promise.all(ids.map((id) => start(project, flow, {}, id)));
      for (const id of ids.slice(0, 5)) await inspector.cancelRun(id).catch(() => undefined);
      await Promise.all(runs.map(endOf));
    }
    going = false;
    const { found, looks } = await audits;
    await worker.stop();
    expect(found).toEqual([]);
    expect(looks).toBeGreaterThan(3);
  },
);
