// One shard in a real Redis Cluster: every part finds the node that has its slot, also when that is another one by now.
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { heartbeat } from "../../../runtime/scripts/index.js";
import { HeartbeatThread } from "../../../runtime/worker/leases/heartbeat-thread.js";
import type { TaskContext } from "../../../runtime/worker/index.js";
import { inProcess } from "../../cli/weft.js";
import { startCluster, type TestCluster } from "../../support/cluster.js";
import { defineTask, type Project, setupProject } from "../../support/project.js";
import { signal, until, within } from "../../support/signal.js";

const plain = defineTask("plain:work");
const keyed = defineTask("keyed:work", {
  idempotency: { ttlMs: 60_000, onDead: "release" },
  idempotencyKey: ({ n }) => String(n),
  concurrency: { limit: 2 },
});
const money = defineTask("money:move", { durability: "replicated" });
const failing = defineTask("failing:work");
const LONG_MS = 30_000;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster({ replicas: true });
}, 60_000);

const setup = (): Project => setupProject({ redis: cluster, tasks: [plain, keyed, money, failing] as never });

describe("one shard", () => {
  test("serves producers, workers, waits, schedules and durability", async () => {
    const project = setup();
    await project.worker({
      "plain:work": ({ payload: { n } }: { payload: { n: number } }) => n + 1,
      "keyed:work": async (_job: unknown, ctx: TaskContext) => await ctx.step("once", () => "stepped"),
      "money:move": () => "moved",
      "failing:work": () => Promise.reject(new Error("no")),
    } as never);
    const jobs = await project.many(
      plain,
      Array.from({ length: 600 }, (_unused, n) => ({ n })),
    );
    expect(await jobs[599]!.result({ timeout: "40s" })).toBe(600);
    const first = await project.enqueue(keyed, { n: 7 });
    expect(await first.result({ timeout: "40s" })).toBe("stepped");
    expect((await project.enqueue(keyed, { n: 7 })).deduplicated).toBe(true);
    const moved = await project.enqueue(money, { n: 1 });
    expect(await moved.result({ timeout: "40s" })).toBe("moved");
    const later = await project.enqueue(plain, { n: 1 }, { delay: "200ms" });
    expect(await later.result({ timeout: "40s" })).toBe(2);
    const dead = await project.enqueue(failing, { n: 1 });
    await until("the job to be dead", async () => (await project.state(dead.id)) === "dead");
  });

  test("answers the command line: lists, acts, audits, and says what is wrong with the server", async () => {
    const project = setup();
    const { id } = await project.enqueue(plain, { n: 1 });
    const weft = async (...args: string[]): Promise<unknown> => {
      const cli = { cwd: "/", env: { TASKWEFT_PREFIX: project.prefix, TASKWEFT_REDIS_URL: cluster.url } };
      const { code, stdout, stderr } = await inProcess([...args, "--json"], cli);
      return code === 0 ? JSON.parse(stdout).data : { code, stderr };
    };
    expect(await weft("jobs", "list")).toMatchObject({ jobs: [{ id, state: "pending" }] });
    expect(await weft("queues", "pause", "default")).toMatchObject({
      queues: [{ name: "default", pending: 1 }],
    });
    expect(await weft("jobs", "cancel", id)).toMatchObject({});
    expect(await weft("queues", "resume", "default")).toMatchObject({});
    expect(await weft("fsck")).toMatchObject({ findings: [] });
    expect(JSON.stringify(await weft("doctor"))).toContain("answers at redis+cluster://127.0.0.1");
  });
});

describe("the slot of the shard", () => {
  test("moves to another node under load: nothing is lost or runs twice, and nobody is told of it", async () => {
    const project = setup();
    const ran: number[] = [];
    const handlers = { "plain:work": ({ payload }: { payload: { n: number } }) => void ran.push(payload.n) };
    await project.worker(handlers as never, { concurrency: 5 });
    const refusals: unknown[] = [];
    const enqueued: number[] = [];
    let stopped = false;
    const produce = async (): Promise<void> => {
      while (!stopped) {
        const n = enqueued.push(enqueued.length) - 1;
        await project.enqueue(plain, { n }).catch((error: unknown) => refusals.push(error));
      }
    };
    const producers = Array.from({ length: 4 }, produce);
    const flows = async (what: string): Promise<void> => {
      const before = ran.length;
      await until(what, () => ran.length > before + 100, LONG_MS);
    };
    for (let move = 0; move < 3; move += 1) {
      await flows("jobs to flow");
      await cluster.moveSlot(project.keys.tag);
    }
    await flows("jobs to flow at the new node");
    stopped = true;
    await Promise.all(producers);
    await until("every job to have run", () => ran.length >= enqueued.length, LONG_MS);
    expect(refusals).toEqual([]);
    expect(ran.toSorted((a, b) => a - b)).toEqual(enqueued);
  }, 60_000);

  test("is half moved: a call waits until it is whole", async () => {
    const project = setup();
    await project.enqueue(plain, { n: 1 });
    const halfway = signal();
    const goOn = signal();
    const moving = cluster.moveSlot(project.keys.tag, async () => {
      halfway.send();
      await goOn.promise;
    });
    await halfway.promise;
    let answered = false;
    const enqueued = project.enqueue(plain, { n: 2 }).then(() => (answered = true));
    const source = (await cluster.primaryOf(project.keys.tag)).client();
    const refused = async (): Promise<boolean> => /errorstat_TRYAGAIN/.test(await source.info("errorstats"));
    await until("the old node to refuse the call for now", refused);
    expect(answered).toBe(false);
    goOn.send();
    await moving;
    await within(LONG_MS, "the enqueue", enqueued);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(2);
  });
});

describe("the node of the shard", () => {
  test("is killed: its replica takes over, and producers, workers and the heartbeat thread go on", async () => {
    const project = setup();
    const { keys, logger } = project;
    const ran = new Set<number>();
    const handlers = { "money:move": ({ payload }: { payload: { n: number } }) => void ran.add(payload.n) };
    await project.worker(handlers as never);
    const thread = new HeartbeatThread({
      connection: { url: cluster.url },
      keys,
      leaseMs: 1000,
      maxBlockMs: 60_000,
      logger,
    });
    const connection = new Connection({ url: cluster.url }, "test", keys);
    onTestFinished(async () => {
      connection.disconnect();
      await thread.stop();
      await project.raw.zrem(keys.leases, "A");
      await project.raw.hdel(keys.workers, "A");
    });
    thread.start();
    await heartbeat(connection, { keys, worker: "A", leaseMs: 60_000, about: "{}" });
    thread.keep("A");
    const endOf = async (): Promise<number> => Number(await project.raw.zscore(keys.leases, "A"));
    const first = await endOf();
    await until("the thread to renew", async () => (await endOf()) < first);
    const confirmed: number[] = [];
    for (let n = 0; n < 50; n += 1) confirmed.push((await project.enqueue(money, { n })) && n);
    const node = await cluster.primaryOf(keys.tag);
    await node.kill9();
    const after = project.enqueue(money, { n: 100 }, { durability: "memory" });
    await within(LONG_MS, "an enqueue at the replica", after);
    await until(
      "every confirmed job to have run",
      () => ran.has(100) && confirmed.every((n) => ran.has(n)),
      LONG_MS,
    );
    const second = await endOf();
    await until("the thread to renew there", async () => (await endOf()) > second, LONG_MS);
    expect(ran.has(100)).toBe(true);
    await node.restart();
  }, 90_000);
});
