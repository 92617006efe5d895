// What Redis says, and what asking it costs.
import { expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { gaugesSnapshot, readShardGauges, RedisGauges } from "../../../runtime/gauges/index.js";
import { createInspector, openInspector } from "../../../runtime/inspect/index.js";
import { exposition, Readings } from "../../../runtime/metrics/index.js";
import { type Exposition, parseExposition } from "../../support/exposition.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const task = defineTask("some:work");
const QUEUES = [
  { name: "default", weight: 1 },
  { name: "rest", weight: 1 },
];
const setup = (shards = 1): Project =>
  setupProject({ redis, tasks: [task] as never, queues: QUEUES, shards });

function gaugesOf(project: Project, queues = QUEUES): RedisGauges {
  const shards = project.shards.map(({ keys }) => {
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    return { connection, keys };
  });
  return new RedisGauges({ shards, queues: queues.map(({ name }) => name) });
}

async function read(gauges: RedisGauges): Promise<Exposition> {
  const readings = new Readings();
  await gauges.read(readings);
  return parseExposition(exposition(readings.snapshot));
}

function depth(metrics: Exposition, queue: string): readonly [pending: number, scheduled: number] {
  const of = (state: string): number => metrics.value("taskweft_job_queue_depth", { queue, state });
  return [of("pending"), of("scheduled")];
}

/** Calls of all commands since the server started, but for those that ask for them. */
async function allCalls(project: Project): Promise<number> {
  const stats = await project.raw.info("commandstats");
  return [...stats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
    .filter(([, name]) => name !== "info")
    .reduce((sum, [, , calls]) => sum + Number(calls), 0);
}

test.each([1, 2])("depths, ages, pauses and workers, over %i shards", async (shards) => {
  const project = setup(shards);
  const [started, goOn] = [signal(), signal()];
  onTestFinished(() => goOn.send());
  await project.worker(
    {
      "some:work": async ({ payload }: { payload: { n: number } }) => {
        if (payload.n === -1) throw new Error("dead");
        started.send();
        await goOn.promise;
      },
    } as never,
    { concurrency: 1, queues: ["default"] },
  );
  await project.enqueue(task, { n: -1 });
  await until("a dead job", async () => (await counted(project, "dead")) === 1);
  await project.enqueue(task, { n: 0 });
  await within(9000, "a job to run", started.promise);
  const waiting = Array.from({ length: 20 }, (_unused, n) => ({ n }));
  await project.many(task, waiting, { queue: "rest" });
  await project.many(task, waiting.slice(0, 3), { queue: "rest", delay: "1h" });
  await project.shards[0]!.raw.hset(project.shards[0]!.keys.paused, "rest", Date.now());
  const metrics = await read(gaugesOf(project));
  expect(metrics.value("taskweft_redis_up")).toBe(1);
  expect(depth(metrics, "default")).toEqual([0, 0]);
  expect(depth(metrics, "rest")).toEqual([20, 3]);
  expect(metrics.value("taskweft_queue_paused", { queue: "default" })).toBe(0);
  expect(metrics.value("taskweft_queue_paused", { queue: "rest" })).toBe(1);
  expect(metrics.value("taskweft_job_active")).toBe(1);
  expect(metrics.value("taskweft_job_dlq_items")).toBe(1);
  expect(metrics.value("taskweft_run_active")).toBe(0);
  expect(metrics.value("taskweft_worker_alive")).toBe(1);
  expect(metrics.value("taskweft_redis_memory_used_bytes", { shard: "0" })).toBeGreaterThan(100_000);
  expect(metrics.labels("taskweft_redis_memory_max_bytes")).toHaveLength(shards);
  await project.shards[0]!.raw.hdel(project.shards[0]!.keys.paused, "rest");
});

async function counted(project: Project, key: "dead"): Promise<number> {
  const counts = await Promise.all(project.shards.map(({ raw, keys }) => raw.zcard(keys[key])));
  return counts.reduce((sum, count) => sum + count, 0);
}

test("a queue that a deploy has removed is told of while it holds jobs or is held back", async () => {
  const project = setup(2);
  const jobs = await project.many(task, [{ n: 1 }, { n: 2 }, { n: 3 }], { queue: "rest" });
  const after = async () => await read(gaugesOf(project, QUEUES.slice(0, 1)));
  expect(depth(await after(), "rest")).toEqual([3, 0]);
  await project.worker({ [task.name]: () => undefined });
  await Promise.all(jobs.map((job) => job.result()));
  expect((await after()).labels("taskweft_job_queue_depth").map(({ queue }) => queue)).toEqual([
    "default",
    "default",
  ]);
  const { raw, keys } = project.shards[1]!;
  await raw.hset(keys.paused, "rest", Date.now());
  expect((await after()).value("taskweft_queue_paused", { queue: "rest" })).toBe(1);
  await raw.hdel(keys.paused, "rest");
  expect(depth(await read(gaugesOf(project)), "rest")).toEqual([0, 0]);
});

test("how long the first in line could have started at most", async () => {
  const project = setup();
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const oldest = async (queue: string): Promise<number> => {
    const { queues } = await readShardGauges(connection, project.keys, ["default", "rest"]);
    return queues.find(({ name }) => name === queue)!.oldestPendingMs;
  };
  expect(await oldest("default")).toBe(0);
  const { id } = await project.enqueue(task, { n: 1 }, { runAt: new Date(Date.now() - 60_000) });
  await project.enqueue(task, { n: 2 });
  // As a worker does when it is due.
  const { pending, due } = project.keys.queue("default");
  await project.raw.zrem(due, id);
  await project.raw.lpush(pending, id);
  expect(Math.floor((await oldest("default")) / 10_000)).toBe(6);
  // It was tried since: it waits from then on.
  await project.raw.hset(
    project.keys.runs,
    id,
    `[1,0,"retry",null,[[${Date.now() - 5000},"failed",1,"E","",""]]]`,
  );
  expect(Math.floor((await oldest("default")) / 1000)).toBe(5);
  // It rested for a day, until three seconds ago.
  for (const kind of ["slept", "waited"]) {
    const [restsAt, wakeAt] = [Date.now() - 86_400_000, Date.now() - 3000];
    await project.raw.hset(project.keys.runs, id, `[0,0,"pending",null,[[${restsAt},"${kind}",${wakeAt}]]]`);
    expect(Math.floor((await oldest("default")) / 1000)).toBe(3);
  }
  // Those that are over stand in front until a worker meets them: the next one is as old as it is.
  const over = await project.many(task, [{ n: 3 }, { n: 4 }]);
  await project.raw.lrem(pending, 2, over[0]!.id);
  for (const one of over) {
    await project.raw.lrem(pending, 0, one.id);
    await project.raw.lpush(pending, one.id);
  }
  await over[0]!.cancel();
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  await inspector.remove(over[1]!.id);
  expect(Math.floor((await oldest("default")) / 1000)).toBe(3);
  expect((await inspector.showQueue("default")).oldestPendingMs).toBeGreaterThan(0);
});

test("a backlog of 100,000 jobs makes a scrape no longer, and scrapes within a second are one", async () => {
  // The clock by which an answer grows old stands still until the test moves it.
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const project = setup();
  await project.enqueue(task, { n: 0 });
  const gauges = [gaugesOf(project), gaugesOf(project)] as const;
  const costOf = async (one: RedisGauges): Promise<number> => {
    const before = await allCalls(project);
    await read(one);
    return (await allCalls(project)) - before;
  };
  // The first commands of a connection are those that make it.
  await read(gauges[0]);
  vi.advanceTimersByTime(1001);
  const few = await costOf(gauges[0]);
  expect(few).toBeLessThan(25);
  expect(await costOf(gauges[0])).toBe(0);
  const text = await project.raw.hvals(project.keys.jobs);
  const ids = Array.from({ length: 100_000 }, (_unused, n) => `many-${n}`);
  for (let from = 0; from < ids.length; from += 5000) {
    const part = ids.slice(from, from + 5000);
    await project.raw.hset(project.keys.jobs, ...part.flatMap((id) => [id, text[0]!]));
    await project.raw.rpush(project.keys.queue("default").pending, ...part);
  }
  vi.advanceTimersByTime(1001);
  expect(await costOf(gauges[0])).toBe(few);
  expect(depth(await read(gauges[0]), "default")).toEqual([100_001, 0]);
  await project.raw.flushall();
}, 60_000);

test("without Redis the answer comes all the same, and says so", async () => {
  const own = await startRedis();
  const project = setupProject({ redis: own, tasks: [task] as never, queues: QUEUES });
  const connection = new Connection({ url: own.url }, "test");
  onTestFinished(() => connection.disconnect());
  const gauges = new RedisGauges({ shards: [{ connection, keys: project.keys }], queues: [] });
  expect((await read(gauges)).value("taskweft_redis_up")).toBe(1);
  own.pause();
  await until("it to be down", async () => (await read(gauges)).value("taskweft_redis_up") === 0);
  const metrics = await read(gauges);
  expect([...metrics.types.keys()]).toEqual(["taskweft_redis_up"]);
  own.resume();
  await until("it to be up", async () => (await read(gauges)).value("taskweft_redis_up") === 1);
});

test("tools get the same of one shard and of several", async () => {
  const project = setup(2);
  await project.many(task, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards: 2 });
  onTestFinished(() => inspector.close());
  const metrics = parseExposition(exposition(gaugesSnapshot(await inspector.readGauges())));
  expect(depth(metrics, "default")).toEqual([3, 0]);
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const [only] = await createInspector({ connection, keys: project.keys }).readGauges();
  expect(only?.queues.map(({ name }) => name)).toEqual(["default"]);
});
