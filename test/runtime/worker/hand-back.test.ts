// Jobs that a worker hands back in several calls: in their order, and where one of the calls fails.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { Reaper } from "../../../runtime/worker/leases/reaper.js";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();
const work = defineTask("some:work");

interface Held {
  readonly project: Project;
  readonly connection: Connection;
  readonly reaper: Reaper;
  readonly ids: readonly string[];
  readonly claim: (id: string) => Promise<void>;
}

/** 250 jobs that the worker "W" holds: more than one call hands back. */
async function held(): Promise<Held> {
  const project = setupProject({ redis, tasks: [work] as never });
  const { keys, raw, logger } = project;
  const jobs = await project.many(
    work,
    Array.from({ length: 250 }, (_unused, n) => ({ n })),
  );
  const ids = jobs.map(({ id }) => id);
  const claim = async (id: string): Promise<void> => {
    await raw.lrem(keys.queue("default").pending, 1, id);
    await raw.hset(keys.active, id, "W");
  };
  for (const id of ids) await claim(id);
  const connection = new Connection({ url: redis.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  return {
    project,
    connection,
    reaper: new Reaper({ connection, keys, logger, deadKeepMs: 60_000 }),
    ids,
    claim,
  };
}

test("jobs that were not started go back in the order in which they were claimed", async () => {
  const { project, reaper, ids } = await held();
  await reaper.handBackJobs("W", new Set(ids), false);
  expect(await project.raw.lrange(project.keys.queue("default").pending, 0, -1)).toEqual(ids);
});

test("a hand-back that is repeated leaves out what went back: the worker may hold it again", async () => {
  const { project, connection, reaper, ids, claim } = await held();
  const { keys, raw } = project;
  const left = new Set(ids);
  const run = connection.run.bind(connection);
  vi.spyOn(connection, "run").mockImplementationOnce(run).mockRejectedValueOnce(new Error("refused"));
  expect((await rejection(reaper.handBackJobs("W", left, false))).message).toBe("refused");
  expect(left.size).toBe(50);
  const again = ids.find((id) => !left.has(id))!;
  await claim(again);
  await reaper.handBackJobs("W", left, false);
  expect(left.size).toBe(0);
  expect(await raw.hgetall(keys.active)).toEqual({ [again]: "W" });
  await reaper.handBackJobs("W", new Set([again]), false);
});
