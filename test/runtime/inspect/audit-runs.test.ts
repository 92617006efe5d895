// The auditor on workflow runs: every finding on a run that is really broken, its repair, and that it leaves sound ones alone.
import { expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { mendRun, repin, resumeRun } from "../../../runtime/scripts/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { WorkflowGraph } from "../../../runtime/workflow/index.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { emitter, endOf, path, start, value, waitStep, workflow } from "../../support/workflow.js";
import { job, mend, type RunBench, setupRuns, working } from "./run-bench.js";

const redis = await startRedis();
const flow = workflow([
  { name: "a", needs: [], job: job() },
  { name: "b", needs: ["a"], forEach: value([1, 2, 3]), job: job(path("item")) },
]);
const pair = workflow(
  ["a", "b"].map((name) => ({ name, needs: [], job: job() })),
  { name: "test:pair" },
);
const [FLOW, PAIR] = ["@test:flow 0a1b2c3d", "@test:pair 0a1b2c3d"];
const FAR = 9_000_000_000_000;

const setup = () => setupRuns(redis);

/** A run whose first step waits, one of which two do, and one that has ended. */
async function someRuns({ project }: RunBench): Promise<void> {
  const worker = await working(project);
  await endOf(await start(project, flow, {}, "over"));
  await worker.stop();
  await start(project, flow, {}, "on");
  await start(project, pair, {}, "two");
}

type Break = (bench: RunBench) => Promise<unknown>;
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
  ["a count that is too low", ["TW-F64"], ({ db, keys }) => db.hset(keys.workflows, "two :open", 1)],
  [
    "a count of a job whose end is known",
    ["TW-F64"],
    ({ db, keys }) => db.hset(keys.workflows, "two a", "c1 null"),
  ],
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
        if (field.startsWith("over ") || field.startsWith("@test:flow")) await db.hdel(keys.workflows, field);
    },
  ],
  [
    "a definition that counts too many runs",
    ["TW-F69"],
    ({ db, keys }) => db.hset(keys.workflows, `${PAIR}#`, 2),
  ],
  ["a definition that counts too few", ["TW-F69"], ({ db, keys }) => db.hset(keys.workflows, `${FLOW}#`, 1)],
  ["a definition that counts nothing", ["TW-F69"], ({ db, keys }) => db.hdel(keys.workflows, `${FLOW}#`)],
  ["a count that is no number", ["TW-F69"], ({ db, keys }) => db.hset(keys.workflows, `${FLOW}#`, "x")],
  ["a definition without runs", ["TW-F69"], ({ db, keys }) => db.hset(keys.workflows, "@other:flow h", "{}")],
  [
    "a count without a definition",
    ["TW-F69"],
    ({ db, keys }) => db.hset(keys.workflows, "@other:flow h#", 3),
  ],
  [
    "several counts",
    ["TW-F69", "TW-F69"],
    ({ db, keys }) => db.hset(keys.workflows, `${FLOW}#`, 5, `${PAIR}#`, 7),
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
  await someRuns(bench);
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
  await someRuns(bench);
  await db.hset(keys.workflows, "over :state", "completed 5 {");
  await db.hset(keys.waits, "over", "client");
  expect((await mend(bench)).found).toContain("TW-F63 by hand");
  await db.flushdb();
});

test("a job that a worker holds is under way, whatever has become of its record", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await someRuns(bench);
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
    queues: ["default"],
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

test("a worker that is about to end a job whose end is known is waited for by nobody", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await someRuns(bench);
  await db.hset(keys.workflows, "two a", "c1 null", "two :open", 1);
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test("a run that has lost its job hangs; once it is repaired it fails, and goes on when it is retried", async () => {
  const bench = setup();
  const { project, db, keys, inspector } = bench;
  await someRuns(bench);
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
  await someRuns(bench);
  const seen = { record: (await db.hget(keys.workflows, "on"))!, state: "", open: "1" };
  const target = { runningSince: undefined, removedAt: 5, open: "3" };
  const listeners = { go: [], come: [] };
  const call = { keys, run: "on", queue: "default", target, begins: [], fields: ["on"], listeners };
  expect(await mendRun(bench.connection, { ...call, seen: { ...seen, ...stale } })).toBe("MOVED");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test("where a job that is to begin is there, none is put beside it", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await someRuns(bench);
  const record = (await db.hget(keys.workflows, "on"))!;
  const begins = [{ id: "on.a", queue: "default", delayMs: 0, limit: "", record: "[]" }];
  const target = { runningSince: 5, removedAt: undefined, open: "1" };
  const listeners = { go: [], come: [] };
  const call = { keys, run: "on", queue: "default", target, begins, fields: [], listeners };
  expect(await mendRun(bench.connection, { ...call, seen: { record, state: "", open: "1" } })).toBe("MOVED");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test.each([
  ["another count", { count: "7" }],
  ["no definition", { hasText: false }],
])("a definition that was seen with %s is let alone", async (_what, stale) => {
  const bench = setup();
  await someRuns(bench);
  const call = { keys: bench.keys, field: FLOW, count: "2", hasText: true, pinned: 0 };
  expect(await repin(bench.connection, { ...call, ...stale })).toBe("MOVED");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
});

test("a definition whose count was put right goes with its last run, and not before", async () => {
  const bench = setup();
  const { db, keys, connection } = bench;
  await working(bench.project);
  const short = workflow(pair.steps, { name: pair.name, keepMs: 1000 });
  const ids = ["first", "second"];
  await Promise.all(ids.map(async (id) => endOf(await start(bench.project, short, {}, id))));
  await db.hset(keys.workflows, `${PAIR}#`, 1);
  expect((await bench.inspector.audit({ repair: true })).counts).toEqual({ "TW-F69": 1 });
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  for (const [index, left] of [1, 0].entries()) {
    await db.zadd(keys.ended, "XX", 1, ids[index]!);
    await sweeper.sweep();
    expect(await db.hexists(keys.workflows, PAIR)).toBe(left);
  }
});

test("a run whose timeout was lost has all of its time once more, and is ended then", async () => {
  const bench = setup();
  const { db, keys, inspector } = bench;
  const timed = workflow([waitStep("w")], { timeoutMs: 60_000 });
  const run = await start(bench.project, timed, { key: "k" }, "timed");
  const { due } = keys.queue("default");
  await db.hdel(keys.jobs, "timed:timeout");
  await db.zrem(due, "timed:timeout");
  expect(await mend(bench)).toEqual({ found: ["TW-F70"], left: [] });
  expect(Number(await db.zscore(due, "timed:timeout")) - Date.now()).toBeGreaterThan(55_000);
  await working(bench.project);
  await db.zadd(due, "XX", 1, "timed:timeout");
  expect(await endOf(run)).toBe("RunFailed");
  expect((await inspector.audit()).findings).toEqual([]);
});

test("a run that ends anyway needs no job that would end it, and listens to nothing", async () => {
  const bench = setup();
  const { db, keys } = bench;
  await start(bench.project, workflow([waitStep("w")], { timeoutMs: 60_000 }), { key: "k" }, "timed");
  await db.hdel(keys.jobs, "timed:timeout");
  await db.zrem(keys.queue("default").due, "timed:timeout");
  await db.del(keys.listeners);
  await db.hset(keys.workflows, "timed :state", "cancelling");
  expect(await mend(bench)).toEqual({ found: [], left: [] });
  // Also where it is looked at for something else.
  await db.zrem(keys.running, "timed");
  expect(await mend(bench)).toEqual({ found: ["TW-F60"], left: [] });
});

test("a step whose entry in listeners was lost hears of the next event", async () => {
  const bench = setup();
  const { db, keys, project } = bench;
  const two = workflow([waitStep("v"), waitStep("w")]);
  const run = await start(project, two, { key: "k" }, "listens");
  const [worker, emit] = [await working(project), emitter(project)];
  const members = await db.zrange(keys.listeners, 0, "-1");
  expect(members).toHaveLength(2);
  // One that has ended is taken out by the next event.
  await worker.stop();
  await db.hset(keys.workflows, "listens v", "c1 null", "listens :open", 1);
  await db.zrem(
    keys.listeners,
    members.find((member) => member.endsWith(" v"))!,
  );
  expect(await mend(bench)).toEqual({ found: [], left: [] });
  await db.del(keys.listeners);
  expect(await mend(bench)).toEqual({ found: ["TW-F24"], left: [] });
  expect(await db.zrange(keys.listeners, 0, "-1")).toEqual(members.filter((member) => member.endsWith(" w")));
  await emit({ key: "k" });
  await working(project);
  expect(await endOf(run)).toBe("completed");
});
