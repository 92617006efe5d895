// Definitions stand in Redis as long as a run is pinned to them: a deploy brings a new one, and the old one goes with its last run.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { runFields } from "../../../runtime/protocol/index.js";
import { forgetRuns } from "../../../runtime/scripts/index.js";
import { RunReader } from "../../../runtime/worker/runs/run-reader.js";
import { RunSweeper } from "../../../runtime/worker/runs/run-sweeper.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";
import { endOf, jobOf, start, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const add = defineTask("math:add");
const steps = [{ name: "a", needs: [], job: jobOf(add as never) }];

function setup(): { project: Project; connection: Connection; sweeper: () => RunSweeper } {
  const project = setupProject({ redis, tasks: [add] as never });
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const { keys } = project;
  return {
    project,
    connection,
    sweeper: () => new RunSweeper(connection, keys, new RunReader(connection, keys), Date.now),
  };
}

/** Hashes of the definitions that are stored, each with the number of its runs. */
async function stored({ raw, keys }: Project): Promise<Record<string, number>> {
  const all = Object.entries(await raw.hgetall(keys.workflows));
  const counts = all.filter(([field]) => field.startsWith("@") && field.endsWith("#"));
  for (const [field] of counts) expect(await raw.hexists(keys.workflows, field.slice(0, -1))).toBe(1);
  return Object.fromEntries(counts.map(([field, n]) => [field.slice(field.indexOf(" ") + 1, -1), Number(n)]));
}

test("a definition goes with the last run that is pinned to it, and comes back with the next", async () => {
  const { project, sweeper } = setup();
  const { raw, keys } = project;
  await project.worker({ "math:add": () => 1 } as never);
  const [old, current] = [workflow(steps, { hash: "aaaa" }), workflow(steps, { hash: "bbbb" })];
  const runs = [await start(project, old), await start(project, old), await start(project, current)];
  expect(await Promise.all(runs.map(endOf))).toEqual(["completed", "completed", "completed"]);
  expect(await stored(project)).toEqual({ aaaa: 2, bbbb: 1 });
  await raw.zadd(keys.ended, "XX", 1, runs[0]!.id);
  await sweeper().sweep();
  expect(await stored(project)).toEqual({ aaaa: 1, bbbb: 1 });
  await raw.zadd(keys.ended, "XX", 1, runs[1]!.id);
  await sweeper().sweep();
  expect(await stored(project)).toEqual({ bbbb: 1 });
  expect(await endOf(await start(project, old))).toBe("completed");
  expect(await stored(project)).toEqual({ aaaa: 1, bbbb: 1 });
});

test("a run is forgotten once, however often its removal is sent, whole or in parts", async () => {
  const { project, connection } = setup();
  const { raw, keys } = project;
  await project.worker({ "math:add": () => 1 } as never);
  for (const id of ["one", "two"]) await endOf(await start(project, workflow(steps), {}, id));
  await raw.zadd(keys.ended, "XX", 1, "one");
  const fields = ["one", runFields.state("one"), runFields.step("one", "a")];
  const part = { run: "one", owner: "one", jobs: [] };
  await forgetRuns(connection, { keys, parts: [{ ...part, fields: fields.slice(2), isLast: false }] });
  expect(await stored(project)).toEqual({ "0a1b2c3d": 2 });
  for (const _again of [1, 2, 3])
    await forgetRuns(connection, { keys, parts: [{ ...part, fields, isLast: true }] });
  expect(await stored(project)).toEqual({ "0a1b2c3d": 1 });
  await endOf(await start(project, workflow(steps), {}, "one"));
  expect(await stored(project)).toEqual({ "0a1b2c3d": 2 });
  // Sent late by a worker that stood still: this is another run.
  await forgetRuns(connection, { keys, parts: [{ ...part, fields, isLast: true }] });
  expect(await stored(project)).toEqual({ "0a1b2c3d": 2 });
});

test("no run that starts while others are forgotten is without its definition", async () => {
  const { project, sweeper } = setup();
  await project.worker({ "math:add": () => 1 } as never);
  const brief = workflow(steps, { keepMs: 1 });
  let starting = true;
  const sweepers = [sweeper(), sweeper(), sweeper()].map(async (one) => {
    while (starting) await one.sweep();
  });
  const starters = Array.from({ length: 4 }, async () => {
    for (let n = 0; n < 40; n += 1) {
      const end = await endOf(await start(project, brief));
      // It may be forgotten before anybody has asked how it ended; one without its definition would have failed.
      expect(["completed", "RunNotFound"]).toContain(end);
    }
  });
  await Promise.all(starters);
  starting = false;
  await Promise.all(sweepers);
  await until("all to be forgotten", async () => {
    await sweeper().sweep();
    return (await project.raw.exists(project.keys.workflows)) === 0;
  });
  expect(project.logger.messages("error")).toEqual([]);
});

test("hundreds of runs are removed by a few calls, with all that they have stored", async () => {
  const { project, sweeper } = setup();
  const { raw, keys } = project;
  await project.worker({ "math:add": () => 1 } as never);
  const graph = workflow([...steps, { name: "b", needs: ["a"], job: jobOf(add as never) }]);
  const started = await Promise.all(Array.from({ length: 300 }, () => start(project, graph)));
  await Promise.all(started.map(endOf));
  for (const { id } of started) await raw.zadd(keys.ended, "XX", 1, id);
  const callsBefore = await scriptCalls(project);
  const sweeping = sweeper();
  expect([await sweeping.sweep(), await sweeping.sweep()]).toEqual([true, false]);
  expect(await raw.exists(keys.workflows, keys.ended)).toBe(0);
  // 11 fields and 2 jobs each, 500 a call.
  expect((await scriptCalls(project)) - callsBefore).toBeLessThan(20);
});

async function scriptCalls({ raw }: Project): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await raw.info("commandstats"))?.[1] ?? 0);
}
