// Waiting for the end of a drain: nothing of a queue or a task waits, is due later, or runs.
import { expect, onTestFinished, test } from "vitest";
import type { Io } from "../../../cli/io.js";
import { run } from "../../../cli/run.js";
import { waitUntilDrained } from "../../../cli/wait-drained.js";
import { Connection } from "../../../runtime/connection/index.js";
import { isQueueEmpty } from "../../../runtime/inspect/drained.js";
import {
  createInspector,
  type Inspector,
  openInspector,
  type OpenedInspector,
} from "../../../runtime/inspect/index.js";
import { inspectShards } from "../../../runtime/inspect/over-shards.js";
import { ShardReader } from "../../../runtime/inspect/shard-reader.js";
import { inProcess } from "../../cli/weft.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";
import { jobOf, start, waitStep, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const group = { concurrency: { limit: 1 } } as never;
const work = defineTask("some:work");
const limited = defineTask("limited:work", group);
const elsewhere = defineTask("other:work", { queue: "other" } as never);
const queues = [
  { name: "default", weight: 1 },
  { name: "other", weight: 1 },
];

function setup(shards = 1): { project: Project; inspector: OpenedInspector } {
  const project = setupProject({ redis, tasks: [work, limited, elsewhere] as never, queues, shards });
  const inspector = openInspector({ url: redis.url, prefix: project.prefix, shards });
  onTestFinished(() => inspector.close());
  return { project, inspector };
}

/** Of the queue, and of the task. */
async function isEmpty(inspector: OpenedInspector, task = "some:work"): Promise<[boolean, boolean]> {
  return [await inspector.isQueueEmpty("default"), await inspector.isTaskEmpty(task)];
}

test.each([1, 3])("a queue is empty when nothing of it waits, is due or runs (%i shards)", async (shards) => {
  const { project, inspector } = setup(shards);
  await project.enqueue(elsewhere, { n: 1 });
  await project.enqueue(work, { n: 1 }, { queue: "other" });
  await project.client.ready();
  for (const shard of project.shards) await shard.raw.hset(shard.keys.meta, "queue:default", "1");
  expect(await isEmpty(inspector)).toEqual([true, false]);
  const later = await project.enqueue(work, { n: 1 }, { delay: "1h", queue: "default" });
  expect(await isEmpty(inspector)).toEqual([false, false]);
  await later.cancel();
  expect(await isEmpty(inspector)).toEqual([true, false]);
  const [running, goesOn] = [signal<void>(), signal<void>()];
  const handler = async (): Promise<void> => {
    running.send();
    await goesOn.promise;
  };
  const job = await project.enqueue(work, { n: 2 });
  expect(await isEmpty(inspector)).toEqual([false, false]);
  await project.worker({ "some:work": handler, "other:work": () => undefined } as never);
  await running.promise;
  expect(await isEmpty(inspector)).toEqual([false, false]);
  goesOn.send();
  await job.result();
  await until("the task to be empty", () => inspector.isTaskEmpty("some:work"));
  expect(await isEmpty(inspector)).toEqual([true, true]);
});

test("jobs at the gate count", async () => {
  const { project, inspector } = setup();
  const jobs = await project.many(limited, [{ n: 1 }, { n: 2 }]);
  await jobs[0]!.cancel();
  await project.raw.del(project.keys.queue("default").pending);
  expect(await isEmpty(inspector, "limited:work")).toEqual([false, false]);
  await project.raw.flushdb();
});

test.each([
  ["queues", "default"],
  ["tasks", "some:work"],
] as const)(
  "weft %s drain --wait waits for the last job, or says that its time is over",
  async (what, name) => {
    const { project } = setup();
    const call = (...args: string[]) =>
      inProcess([what, "drain", name, "--wait", ...args], {
        cwd: "/",
        env: { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix },
      });
    await project.many(work, [{ n: 1 }, { n: 2 }]);
    const late = await call("--timeout", "1ms");
    expect(late).toMatchObject({ code: 7, stdout: "" });
    expect(late.stderr).toContain(`jobs of ${name}`);
    const waiting = call();
    let ran = 0;
    await project.worker({ "some:work": () => void (ran += 1) } as never);
    expect(await waiting).toMatchObject({ code: 0, stdout: `${name}  drained\n` });
    expect(ran).toBe(2);
    expect((await call("--json")).stdout).toContain(`"name": "${name}"`);
  },
);

const large = Array.from({ length: 40 }, (_unused, n) => ({ n, text: "x".repeat(50_000) }) as never);

async function bytesRead(project: Project, look: () => Promise<unknown>): Promise<number> {
  const sent = async () =>
    Number(/total_net_output_bytes:(\d+)/.exec(await project.raw.info("stats"))?.[1] ?? 0);
  const before = await sent();
  await look();
  return (await sent()) - before;
}

test("whoever waits does not read the payloads of those that wait", async () => {
  const { project, inspector } = setup();
  const jobs = await project.many(work, large);
  await project.client.ready();
  const look = async () => expect(await inspector.isQueueEmpty("default")).toBe(false);
  expect(await bytesRead(project, look)).toBeLessThan(50_000);
  for (const job of jobs.slice(1)) await job.cancel();
  expect(await bytesRead(project, look)).toBeLessThan(50_000);
});

test("the age of the first job in line is read from its own record", async () => {
  const { project, inspector } = setup();
  const jobs = await project.many(work, large);
  for (const cancelled of [0, 3]) {
    for (const job of jobs.slice(0, cancelled)) await job.cancel();
    let [gauges, listed] = [0, 0];
    const ask = async () => {
      gauges = (await inspector.readGauges())[0]!.queues.find(
        ({ name }) => name === "default",
      )!.oldestPendingMs;
      listed = (await inspector.listQueues()).find(({ name }) => name === "default")!.oldestPendingMs!;
    };
    await until("the jobs to have an age", async () => (await ask(), gauges > 0 && listed > 0));
    expect(await bytesRead(project, ask)).toBeLessThan(500_000);
  }
});

/** Does something between two reads. */
class DisturbedReader extends ShardReader {
  #reads = 0;
  readonly before: Record<number, () => Promise<unknown>> = {};

  override async read<Reply>(commands: Parameters<ShardReader["read"]>[0]): Promise<Reply> {
    await this.#disturb();
    return (await super.read(commands)) as Reply;
  }

  override async together<Reply>(collect: Parameters<ShardReader["together"]>[0]): Promise<Reply[]> {
    await this.#disturb();
    return await super.together(collect);
  }

  async #disturb(): Promise<void> {
    this.#reads += 1;
    await this.before[this.#reads]?.();
  }
}

test("a job that a worker takes and puts back meanwhile waits", async () => {
  const { project } = setup();
  const { raw, keys } = project;
  const { pending } = keys.queue("default");
  const [first, ...others] = await project.many(work, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  for (const job of others) await job.cancel();
  const connection = new Connection({ url: redis.url }, "test");
  onTestFinished(() => connection.disconnect());
  const reader = new DisturbedReader(connection, keys);
  reader.before[2] = () => raw.lpop(pending);
  // The last look, after the length of the list and its ids.
  reader.before[4] = () => raw.lpush(pending, first!.id);
  expect(await isQueueEmpty(reader, "default")).toBe(false);
  expect(await raw.llen(pending)).toBe(3);
});

test("a job that comes to a shard which has answered already is not overlooked", async () => {
  const { project } = setup(2);
  const [one, other] = project.shards.map(({ keys }) => {
    const connection = new Connection({ url: redis.url }, "test");
    onTestFinished(() => connection.disconnect());
    return createInspector({ connection, keys, queues: ["default"] });
  }) as [Inspector, Inspector];
  const answered = signal<void>();
  const early: Inspector = {
    ...one,
    isQueueEmpty: async (name) => {
      const isEmptyNow = await one.isQueueEmpty(name);
      answered.send();
      return isEmptyNow;
    },
  };
  /** Its last job ends while it is asked, and makes one in the other shard. */
  const late: Inspector = {
    ...other,
    isQueueEmpty: async (name) => {
      await answered.promise;
      const { raw, keys } = project.shards[0]!;
      await raw.hset(keys.jobs, "followed", '[1,"some:work","default","00000000",0,{}]');
      await raw.rpush(keys.queue("default").pending, "followed");
      return await other.isQueueEmpty(name);
    },
  };
  expect(await inspectShards([early, late], project.router).isQueueEmpty("default")).toBe(false);
  const { raw, keys } = project.shards[0]!;
  await raw.del(keys.jobs, keys.queue("default").pending);
});

test("the wait ends in time also while it looks", async () => {
  const never = new Promise<boolean>(() => undefined);
  const session = { io: { stderr: {}, interrupted: () => new AbortController().signal } } as never;
  const waiting = waitUntilDrained(["default", "other"], () => never, { timeout: "20ms" }, session);
  await expect(within(5000, "the wait to end", waiting)).rejects.toMatchObject({
    code: "TimedOut",
    message: expect.stringContaining("not yet known whether jobs of default, other wait or run") as string,
  });
});

test("the end of a job in one of several queues may begin one in another that was empty before", async () => {
  const session = { io: { stderr: {}, interrupted: () => new AbortController().signal } } as never;
  // What each look at `a` and `b` finds: at first `a` has a job, whose end makes one in `b`.
  const looks = { a: [false, true, true, true], b: [true, true, false, true] };
  const seen: string[] = [];
  const isEmpty = async (name: string): Promise<boolean> => {
    seen.push(name);
    return looks[name as "a" | "b"].shift() ?? true;
  };
  await waitUntilDrained(["a", "b"], isEmpty, { timeout: "20s" }, session);
  // Both at the first look, at the second, at once again because both were empty, and twice at the last.
  expect(seen).toEqual(Array.from({ length: 5 }, () => ["a", "b"]).flat());
});

test("who ends the wait is told that the drain goes on", async () => {
  const { project } = setup();
  await project.enqueue(work, { n: 1 });
  await project.raw.hset(project.keys.meta, "queue:default", "1");
  const ctrlC = new AbortController();
  let stderr = "";
  const io: Io = {
    cwd: "/",
    env: { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix },
    stdin: (async function* () {})(),
    stdout: { write: () => true },
    stderr: { write: (text) => (stderr += text) },
    interrupted: () => ctrlC.signal,
  };
  const ended = run(["queues", "drain", "default", "--wait"], io);
  await until("the drain", async () => (await project.raw.exists(project.keys.draining)) === 1);
  ctrlC.abort();
  expect(await within(5000, "the end", ended)).toBe(7);
  expect(stderr).toContain("the wait for default to be empty was interrupted; the drain goes on");
});

test.each(["0s", "1ms"])("a timeout of %s is long enough for what is empty", async (timeout) => {
  const { project } = setup();
  await project.raw.hset(project.keys.meta, "queue:default", "1");
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const args = ["queues", "drain", "default", "--wait", "--timeout", timeout];
  expect(await inProcess(args, { cwd: "/", env })).toMatchObject({ code: 0, stdout: "default  drained\n" });
});

test("of runs that go on, whose later steps have no jobs yet, a drained task and its queue tell", async () => {
  const { project } = setup();
  await project.raw.hset(project.keys.meta, "queue:default", "1");
  const env = { TASKWEFT_REDIS_URL: redis.url, TASKWEFT_PREFIX: project.prefix };
  const drain = async (...args: string[]): Promise<readonly string[]> => {
    const { stdout } = await inProcess([...args, "--wait", "--json"], { cwd: "/", env });
    return (JSON.parse(stdout) as { warnings: readonly string[] }).warnings;
  };
  const goesOn = expect.stringContaining("workflow runs go on") as string;
  expect(await drain("queues", "drain", "default")).toEqual([]);
  const flow = workflow([waitStep("doze"), { name: "later", needs: ["doze"], job: jobOf(work as never) }]);
  await start(project, { ...flow, queue: "other" }, { key: "k" }, "o42");
  expect(await drain("queues", "drain", "default")).toEqual([goesOn]);
  expect(await drain("tasks", "drain", "some:work")).toContainEqual(goesOn);
});
