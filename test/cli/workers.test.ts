// Who works: found by the name that `weft jobs` says of a running job.
import { hostname, tmpdir } from "node:os";
import { expect, test } from "vitest";
import { defineTask, setupProject } from "../support/project.js";
import { startRedis } from "../support/redis.js";
import { signal } from "../support/signal.js";
import { inProcess } from "./weft.js";

const redis = await startRedis();
const work = defineTask("some:work");

test.each([1, 2])("workers are listed with where they run and what they hold (%i shards)", async (shards) => {
  const project = setupProject({ redis, tasks: [work] as never, shards });
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const list = (...args: string[]) => inProcess(["workers", "list", ...args], { cwd: tmpdir(), env });
  await project.client.ready();
  expect(await list()).toEqual({ code: 0, stdout: "", stderr: "no workers: start one with weft worker\n" });

  const [running, goesOn] = [signal<void>(), signal<void>()];
  const handler = async (): Promise<void> => {
    running.send();
    await goesOn.promise;
  };
  await project.worker({ "some:work": handler } as never, { concurrency: 3 });
  await project.enqueue(work, { n: 1 });
  await running.promise;
  const { stdout } = await list();
  expect(stdout.split("\n")[1]).toMatch(
    new RegExp(
      `^\\S+ +${hostname()} +${process.pid} +\\d+\\.\\d+\\.\\d+ +1 +3 +default +ends in (<1|\\d+)s$`,
    ),
  );
  const { data } = JSON.parse((await list("--json")).stdout) as { data: { workers: unknown[] } };
  expect(data.workers).toMatchObject([{ alive: true, active: 1, about: { pid: process.pid } }]);
  goesOn.send();
});

test("a worker whose lease has ended is listed until its jobs are taken back, with what is known of it", async () => {
  const project = setupProject({ redis, tasks: [] });
  await project.raw.zadd(project.keys.leases, Date.now() - 60_000, "gone", 0, "lost");
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const { stdout } = await inProcess(["workers", "list"], { cwd: tmpdir(), env });
  expect(stdout.split("\n").slice(1, 3)).toEqual([
    expect.stringMatching(/^gone +\? +\? +\? +0 +\? +\? +ended 1m ago: others take its jobs back$/),
    expect.stringMatching(/^lost +.*lost: others take its jobs back$/),
  ]);
});
