// Jobs that a worker hands back in several calls, of which one fails.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { Reaper } from "../../../runtime/worker/leases/reaper.js";
import { defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();
const work = defineTask("some:work");

test("jobs that go back stand in their order before those that have come since", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const { keys, raw, logger } = project;
  const { pending } = keys.queue("default");
  const payloads = Array.from({ length: 251 }, (_unused, n) => ({ n }));
  const ids = (await project.many(work, payloads)).map(({ id }) => id);
  const claimed = await raw.lpop(pending, 250);
  await raw.hset(keys.active, ...claimed!.flatMap((id) => [id, "W"]));
  const connection = new Connection({ url: redis.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  const reaper = new Reaper({ connection, keys, logger, deadKeepMs: 60_000 });
  await reaper.handBackJobs("W", new Set(claimed), false);
  expect(await raw.lrange(pending, 0, -1)).toEqual(ids);
});

test("a hand-back that is repeated leaves out what went back: the worker may hold it again", async () => {
  const project = setupProject({ redis, tasks: [work] as never });
  const { keys, raw, logger } = project;
  const jobs = await project.many(
    work,
    Array.from({ length: 250 }, (_unused, n) => ({ n })),
  );
  const claim = async (id: string): Promise<void> => {
    await raw.lrem(keys.queue("default").pending, 1, id);
    await raw.hset(keys.active, id, "W");
  };
  for (const { id } of jobs) await claim(id);
  const connection = new Connection({ url: redis.url }, "test", keys);
  onTestFinished(() => connection.disconnect());
  const reaper = new Reaper({ connection, keys, logger, deadKeepMs: 60_000 });
  const left = new Set(jobs.map(({ id }) => id));
  const run = connection.run.bind(connection);
  vi.spyOn(connection, "run").mockImplementationOnce(run).mockRejectedValueOnce(new Error("refused"));
  expect((await rejection(reaper.handBackJobs("W", left, false))).message).toBe("refused");
  expect(left.size).toBe(50);
  await claim(jobs.at(-1)!.id);
  await reaper.handBackJobs("W", left, false);
  expect(left.size).toBe(0);
  expect(await raw.hgetall(keys.active)).toEqual({ [jobs.at(-1)!.id]: "W" });
  await reaper.handBackJobs("W", new Set([jobs.at(-1)!.id]), false);
});
