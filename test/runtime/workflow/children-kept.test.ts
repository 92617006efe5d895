// How long runs that are steps of others are kept, and what becomes of one whose parent is gone.
import { expect, onTestFinished, test, vi } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { Connection } from "../../../runtime/connection/index.js";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { forgetRuns } from "../../../runtime/scripts/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { childOf, children, jobOf, object, path, start, value, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add", { retry: { maxRetries: 0 } as never });

const inner = workflow([{ name: "a", needs: [], job: jobOf(add as never, path("input", "n")) }], {
  name: "test:inner",
  hash: "11111111",
});
const asRun = (name: string, definition: WorkflowDefinition = inner, n = value(1), more = {}) => ({
  name,
  needs: [],
  ...childOf(definition, object({ n })),
  ...more,
});
const outer = (...names: string[]) =>
  workflow(
    names.map((name) => asRun(name)),
    children(inner),
  );

/** A worker that fails for 2. */
async function setup(): Promise<Project> {
  const project = setupProject({ redis, tasks: [add] as never });
  await project.worker({
    "math:add": ({ payload: { n } }: { payload: { n: number } }) => {
      if (n === 2) throw new PermanentError("no");
    },
  } as never);
  return project;
}

/** As a removal would leave it that cannot find the runs of the steps of `r`. */
async function removeAlone({ raw, keys }: Project): Promise<void> {
  const connection = new Connection({ url: redis.url }, "test");
  await raw.zadd(keys.ended, "XX", 1, "r");
  const fields = ["r", "r :stamp", "r :state", "r ship"];
  await forgetRuns(connection, {
    keys,
    parts: [{ run: "r", owner: "r", isLast: true, fields, jobs: [] }],
  });
  connection.disconnect();
}

test("what is stored under its id from an earlier run of the same id is not taken for it", async () => {
  const project = await setup();
  const run = await start(project, outer("ship"), {}, "r");
  await run.result();
  await removeAlone(project);
  const stoppedAt = Date.now();
  await until("the clock has moved on", () => Date.now() > stoppedAt + 10);
  const again = await start(project, outer("ship"), {}, "r");
  await expect(again.result()).rejects.toThrow(/IdConflict: the run r\.ship-1 belongs to an earlier run/);
});

test("it is kept as long as its parent, whatever its own retention, and goes with it", async () => {
  const project = await setup();
  const { raw, keys } = project;
  const brief = { ...inner, keepMs: 1, hash: "88888888" };
  const long = { ...inner, name: "test:long", keepMs: 3_600_000, hash: "99999999" };
  const holding = workflow([asRun("down", long)], {
    name: "test:middle",
    hash: "aaaaaaaa",
    keepMs: 1,
    ...children(long),
  });
  const steps = [
    asRun("each", brief, path("item"), { forEach: value([1, 2, 3]), onFailure: "continue" }),
    asRun("middle", holding),
    { name: "cool", needs: [], delayMs: 3_600_000 },
  ];
  await start(project, workflow(steps, { ...children(brief, holding), keepMs: 1 }), {}, "r");
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  const ids = ["r.each-1.0", "r.each-1.1", "r.each-1.2", "r.middle-1", "r.middle-1.down-1"];
  await until("all have ended", async () => (await raw.zcard(keys.ended)) === ids.length);
  await until("their own time is over", async () => {
    await sweeper.sweep();
    return (await raw.zcount(keys.ended, "-inf", Date.now() + 1000)) === 0;
  });
  expect((await raw.zrange(keys.ended, 0, "-1")).toSorted()).toEqual(ids);
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await inspector.cancelRun("r");
  await until("the run is removed", async () => {
    await sweeper.sweep();
    return (await raw.hexists(keys.workflows, "r")) === 0;
  });
  expect((await raw.hkeys(keys.workflows)).filter((field) => !field.startsWith("@"))).toEqual([]);
  expect(await raw.exists(keys.ended, keys.running, keys.dead, keys.jobs)).toBe(0);
});

test("one that outlived its parent is removed after its own retention", async () => {
  const project = await setup();
  const { raw, keys } = project;
  const brief = { ...inner, keepMs: 1, hash: "bbbbbbbb" };
  const run = await start(project, workflow([asRun("ship", brief)], children(brief)), {}, "r");
  await run.result();
  await removeAlone(project);
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now);
  await until("it is removed", async () => {
    await sweeper.sweep();
    return (await raw.hexists(keys.workflows, "r.ship-1")) === 0;
  });
  expect(await raw.exists(keys.ended)).toBe(0);
});

test("a worker whose clock is ahead does not look again and again at runs that are not to be removed yet", async () => {
  const { keys, raw } = setupProject({ redis, tasks: [add] as never });
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const now = Date.now();
  const ends = Array.from({ length: 250 }, (_unused, index) => [now + 600_000, `r${index}`]);
  await raw.zadd(keys.ended, ...ends.flat());
  vi.spyOn(Date, "now").mockReturnValue(now + 3_600_000);
  const sweeper = new RunSweeper(connection, keys, new RunReader(connection, keys), () => now);
  expect(await sweeper.sweep()).toBe(false);
  expect(await raw.zcard(keys.ended)).toBe(250);
  await raw.del(keys.ended);
});
