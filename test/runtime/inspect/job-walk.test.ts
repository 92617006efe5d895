// A walk meets all that stays where it is, while jobs leave in front and others come.
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { walkJobs } from "../../../runtime/inspect/job-walk.js";
import { ShardReader } from "../../../runtime/inspect/shard-reader.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { parkedGroup } from "../../../runtime/protocol/index.js";
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

function setup(): { project: Project; reader: ShardReader } {
  const project = setupProject({ redis, tasks: [work, limited] as never });
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  return { project, reader: new ShardReader(connection, project.keys) };
}

/** What was moved by hand, the auditor would find. */
async function clear({ raw, keys }: Project): Promise<void> {
  await raw.del(...(await raw.keys(`${keys.tag}:*`)));
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
  const { project, reader } = setup();
  const jobs = await project.many(task as never, payloads as never, options as never);
  await put?.(project);
  const left = new Set(jobs.map(({ id }) => id));
  const met = new Set<string>();
  for await (const some of walkJobs(reader, ["default"], { task: task.name, state })) {
    for (const { id } of some) met.add(id);
    for (const id of await take(project, 50)) left.delete(id);
    if (left.size > 600) await project.enqueue(task as never, { n: -1 } as never, options as never);
  }
  expect(left.size).toBeLessThan(MANY - 100);
  expect([...left].filter((id) => !met.has(id))).toEqual([]);
  await clear(project);
});

test("jobs of a paused task, which workers put aside meanwhile", async () => {
  const { project, reader } = setup();
  const { raw, keys } = project;
  const jobs = await project.many(work, payloads);
  const met = new Set<string>();
  let parked = 0;
  for await (const some of walkJobs(reader, ["default"], { task: work.name, state: "pending" })) {
    for (const { id } of some) met.add(id);
    for (const id of (await raw.lpop(keys.queue("default").pending, 100)) ?? []) {
      const number = String(await raw.hincrby(keys.groups, "#", 1)).padStart(16, "0");
      await raw.zadd(keys.waiting, 0, `${parkedGroup(work.name, "default")}\n${number} default ${id}`);
      parked += 1;
    }
  }
  expect(parked).toBeGreaterThan(300);
  expect(jobs.filter(({ id }) => !met.has(id))).toEqual([]);
  await clear(project);
});

test("a list into which jobs are put back in front", async () => {
  const { project, reader } = setup();
  const { pending } = project.keys.queue("default");
  await project.many(work, payloads);
  const claimed = (await project.raw.lpop(pending, MANY))!;
  const jobs = await project.many(work, payloads);
  const met = new Set<string>();
  for await (const some of walkJobs(reader, ["default"], { state: "pending" })) {
    for (const { id } of some) met.add(id);
    const back = claimed.splice(0, 150);
    if (back.length > 0) await project.raw.lpush(pending, ...back);
  }
  expect(jobs.filter(({ id }) => !met.has(id))).toEqual([]);
  await clear(project);
});

test.each([
  ["a list", work],
  ["the gate", limited],
])("a walk ends while %s grows faster than it is read", async (_name, task) => {
  const { project, reader } = setup();
  const jobs = await project.many(task as never, payloads as never);
  const met = new Set<string>();
  let steps = 0;
  for await (const some of walkJobs(reader, ["default"], { task: task.name, state: "pending" })) {
    for (const { id } of some) met.add(id);
    steps += 1;
    if (steps === 60) break;
    await project.many(task as never, payloads.slice(0, 300) as never);
  }
  expect(steps).toBeLessThan(40);
  expect(jobs.filter(({ id }) => !met.has(id))).toEqual([]);
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
