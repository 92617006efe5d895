// A walk meets all that stays where it is, while jobs leave in front and others come.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { walkJobs } from "../../../runtime/inspect/job-walk.js";
import { ShardReader } from "../../../runtime/inspect/shard-reader.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";

const redis = await startRedis();
const work = defineTask("some:work");
const limited = defineTask("limited:work", { concurrency: { limit: 1 } } as never);
const MANY = 950;

const payloads = Array.from({ length: MANY }, (_unused, n) => ({ n }));

interface Place {
  readonly state: "dead" | "pending" | "scheduled";
  readonly task?: typeof work;
  readonly options?: object;
  /** Moves what has just been stored there. */
  readonly put?: (project: Project) => Promise<unknown>;
  /** Takes the first `n` away; says which. */
  readonly take: (project: Project, n: number) => Promise<readonly string[]>;
}

async function takeFirst({ raw }: Project, key: string, n: number): Promise<readonly string[]> {
  const members = await raw.zrange(key, 0, String(n - 1));
  await raw.zrem(key, ...members);
  return members;
}

test.each<[string, Place]>([
  [
    "a pending list",
    {
      state: "pending",
      take: async ({ raw, keys }, n) => (await raw.lpop(keys.queue("default").pending, n)) ?? [],
    },
  ],
  [
    "those that are due later, many at one time",
    {
      state: "scheduled",
      options: { runAt: Date.now() + 3_600_000 },
      take: async (project, n) => await takeFirst(project, project.keys.queue("default").due, n),
    },
  ],
  [
    "those that are due later, each at its time",
    {
      state: "scheduled",
      options: { delay: "1h" },
      put: async ({ raw, keys }) => {
        const { due } = keys.queue("default");
        const ids = await raw.zrange(due, 0, "-1");
        await raw.zadd(due, ...ids.flatMap((id, n) => [9e12 + n, id]));
      },
      take: async (project, n) => await takeFirst(project, project.keys.queue("default").due, n),
    },
  ],
  [
    "the gate",
    {
      state: "pending",
      task: limited,
      take: async (project, n) =>
        (await takeFirst(project, project.keys.waiting, n)).map((member) => member.split(" ").at(-1)!),
    },
  ],
])("%s", async (_name, { state, task = work, options = {}, put, take }) => {
  const project = setupProject({ redis, tasks: [work, limited] as never });
  const jobs = await project.many(task as never, payloads as never, options as never);
  await put?.(project);
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const reader = new ShardReader(connection, project.keys);
  const left = new Set(jobs.map(({ id }) => id));
  const met = new Set<string>();
  for await (const some of walkJobs(reader, ["default"], { task: task.name, state })) {
    for (const { id } of some) met.add(id);
    for (const id of await take(project, 50)) left.delete(id);
    if (left.size > 600) await project.enqueue(task as never, { n: -1 } as never, options as never);
  }
  expect(left.size).toBeLessThan(MANY - 100);
  expect([...left].filter((id) => !met.has(id))).toEqual([]);
  // What was taken away stands nowhere, which the auditor would find.
  await project.raw.del(...(await project.raw.keys(`${project.keys.tag}:*`)));
});

test("a queue is empty that holds but the ids of jobs that are over", async () => {
  const project = setupProject({ redis, tasks: [work, limited] as never });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [cancelled, deleted, last] = await project.many(work, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await cancelled!.cancel();
  await inspector.remove(deleted!.id);
  expect(await inspector.isQueueEmpty("default")).toBe(false);
  await last!.cancel();
  expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(3);
  expect(await inspector.isQueueEmpty("default")).toBe(true);
});
