// The thread that keeps a lease while the event loop is blocked. That it does so while a loop is really blocked is proved
// with processes in test/chaos/blocked-loops.test.ts; here: which lease it renews, when it keeps quiet, and that it ends.
import { expect, onTestFinished, test } from "vitest";
import { Connection, ServerClock } from "../../../runtime/connection/index.js";
import { heartbeat } from "../../../runtime/scripts/index.js";
import { HeartbeatThread } from "../../../runtime/worker/leases/heartbeat-thread.js";
import { LeaseKeeper } from "../../../runtime/worker/leases/lease-keeper.js";
import { monitor } from "../../support/monitor.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const quick = defineTask("quick:work");
const setup = (): Project => setupProject({ redis, tasks: [quick] as never });
const LEASE_MS = 1000;

interface Lonely {
  readonly project: Project;
  readonly thread: HeartbeatThread;
  readonly register: (worker: string) => Promise<void>;
  readonly endOf: (worker: string) => Promise<number>;
  /** Settles when the thread has renewed the lease once more. */
  readonly renewed: (worker: string) => Promise<void>;
}

/** A thread whose worker renews nothing by itself. */
async function setupLonely(): Promise<Lonely> {
  const project = setup();
  const { keys, logger, raw } = project;
  const options = { connection: { url: redis.url }, keys, leaseMs: LEASE_MS, maxBlockMs: 60_000, logger };
  const thread = new HeartbeatThread(options);
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(async () => {
    connection.disconnect();
    await thread.stop();
    await raw.del(keys.leases, keys.workers);
  });
  thread.start();
  const endOf = async (worker: string): Promise<number> => Number(await raw.zscore(keys.leases, worker));
  return {
    project,
    thread,
    endOf,
    register: async (worker) => {
      await heartbeat(connection, { keys, worker, leaseMs: LEASE_MS, about: "{}" });
    },
    renewed: async (worker) => {
      const before = await endOf(worker);
      await until(`the lease of ${worker} to be renewed`, async () => (await endOf(worker)) > before, 3000);
    },
  };
}

/** What the server knows about the connections of heartbeat threads. */
async function threadClients(project: Project): Promise<readonly string[]> {
  const list = (await project.raw.client("LIST")) as string;
  return list.split("\n").filter((line) => line.includes("name=taskweft-heartbeat"));
}

/** What the server knows about the connection of the thread, which is made with its first look. */
async function connected(project: Project): Promise<string> {
  await until("the thread to connect", async () => (await threadClients(project)).length === 1);
  return (await threadClients(project))[0] ?? "";
}

/** A thread, if there were one, would be connected after this. */
async function lookPasses(): Promise<void> {
  const end = performance.now() + LEASE_MS;
  await until("a lease's time to pass", () => performance.now() > end);
}

test("renews the lease of the name it was given, again and again", async () => {
  const { project, thread, register, renewed } = await setupLonely();
  await register("A");
  thread.keep("A");
  await renewed("A");
  await renewed("A");
  expect(project.logger.lines).toEqual([]);
});

test("renews the new name after the old one was lost, and never brings the old one back", async () => {
  const { project, thread, register, renewed, endOf } = await setupLonely();
  await register("A");
  thread.keep("A");
  await renewed("A");
  await project.raw.zadd(project.keys.leases, 0, "A");
  await register("B");
  thread.keep(undefined);
  thread.keep("B");
  await renewed("B");
  await renewed("B");
  expect(await endOf("A")).toBe(0);
});

test("leaves a lease alone that was given back or condemned, also while its name is still the current one", async () => {
  const { project, thread, register, renewed } = await setupLonely();
  let calls = 0;
  const watching = await monitor(redis.port, (command) => {
    if (command.includes(project.keys.leases) && command[0]?.startsWith("eval")) calls += 1;
  });
  await register("A");
  thread.keep("A");
  await renewed("A");
  await project.raw.zrem(project.keys.leases, "A");
  const before = calls;
  await until("the thread to hear that the lease is gone", () => calls > before, 3000);
  await lookPasses();
  watching.close();
  expect(calls).toBe(before + 1);
  expect(await project.raw.zscore(project.keys.leases, "A")).toBeNull();
});

test("sends nothing while the worker renews by itself, and is gone with the worker", async () => {
  const project = setup();
  const worker = await project.worker({ "quick:work": () => "done" });
  await connected(project);
  const { leases } = project.keys;
  const endOf = async (): Promise<number> => Number(await project.raw.zscore(leases, worker.name));
  for (let beats = 0; beats < 6; beats++) {
    const before = await endOf();
    await until("a heartbeat", async () => (await endOf()) > before, 3000);
    expect((await threadClients(project)).join()).not.toMatch(/cmd=eval/);
  }
  await worker.stop();
  await until("its connection to be closed", async () => (await threadClients(project)).length === 0);
});

test("is not there with maxBlock 0", async () => {
  const project = setup();
  await project.worker({ "quick:work": () => "done" }, { maxBlock: "0ms" });
  await (await project.enqueue(quick, { n: 1 })).result();
  await lookPasses();
  expect(await threadClients(project)).toEqual([]);
});

test("is given up, with the reason on the log, for a connection that cannot be copied", async () => {
  const project = setup();
  const redisOptions = { natMap: () => null, retryStrategy: () => 50 };
  await project.worker({ "quick:work": () => "done" }, { redis: redisOptions });
  expect(await (await project.enqueue(quick, { n: 1 })).result()).toBe("done");
  await lookPasses();
  expect(project.logger.messages("warn")).toEqual([
    "no heartbeat thread, because redis.natMap cannot be copied to one; a handler that blocks the event loop for longer than the lease loses its jobs",
  ]);
  expect(await threadClients(project)).toEqual([]);
});

test("reconnects by itself, also where the worker has a strategy of its own", async () => {
  const project = setup();
  await project.worker({ "quick:work": () => "done" }, { redis: { retryStrategy: () => 50 } });
  const [, id = ""] = /id=(\d+)/.exec(await connected(project)) ?? [];
  await project.raw.client("KILL", "ID", id);
  await until("the thread to connect again", async () => {
    const [line] = await threadClients(project);
    return line !== undefined && !line.includes(`id=${id} `);
  });
  expect(project.logger.messages("warn")).toEqual([]);
});

test("does not cost the lease when it cannot connect", async () => {
  const project = setup();
  const { keys, logger, raw } = project;
  const connection = new Connection({ url: redis.url }, "test");
  const keeper = new LeaseKeeper({
    connection,
    connectionOptions: { url: "redis://127.0.0.1:1" },
    keys,
    clock: new ServerClock(),
    leaseMs: LEASE_MS,
    maxBlockMs: 60_000,
    about: {},
    logger,
    busy: () => false,
    asleepFor: () => [],
    onWork: () => undefined,
    onCancel: () => undefined,
    onExpiredWorkers: () => undefined,
    onLost: () => undefined,
    onRegained: () => undefined,
    onLasting: () => undefined,
  });
  onTestFinished(async () => {
    await keeper.stop();
    connection.disconnect();
    await raw.del(keys.leases, keys.workers);
  });
  const starting = keeper.start();
  await until("the lease", async () => (await raw.exists(keys.leases)) === 1);
  const left: number[] = [];
  const end = performance.now() + 1.5 * LEASE_MS;
  await until("more than a lease's time to pass", async () => {
    const [[seconds, micros], lease] = await Promise.all([raw.time(), raw.zscore(keys.leases, keeper.name)]);
    left.push(Number(lease) - Number(seconds) * 1000 - Number(micros) / 1000);
    return performance.now() > end;
  });
  await starting;
  expect(Math.min(...left)).toBeGreaterThan(0);
});
