// A job that has lost its worker twice runs alone. That it takes nobody along is proved with processes in test/chaos/poison.test.ts.
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { NEW_RUN, encodeRun } from "../../../runtime/protocol/index.js";
import type { Claim } from "../../../runtime/worker/claims/claim.js";
import { SharedSlots } from "../../../runtime/worker/claims/shared-slots.js";
import { ShardedWorker } from "../../../runtime/worker/sharded-worker.js";
import { Suspects } from "../../../runtime/worker/attempts/suspects.js";
import { type Project, commandCalls, defineTask, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const slow = defineTask("slow:work", { timeoutMs: 60_000 });
const quick = defineTask("quick:work");
const setup = (): Project => setupProject({ redis, tasks: [slow, quick] as never });

/** Enqueues a job that has lost two workers. */
async function suspectOf(project: Project, task = quick) {
  const job = await project.enqueue(task, { n: 0 }, { delay: "1h" });
  await project.raw.hset(project.keys.runs, job.id, encodeRun({ ...NEW_RUN, crashes: 2 }));
  const { due, pending, wake } = project.keys.queue("default");
  await project.raw.multi().zrem(due, job.id).rpush(pending, job.id).del(wake).lpush(wake, "1").exec();
  return job;
}

test("waits until nothing else runs, runs alone, and then others run again", async () => {
  const project = setup();
  const [started, go, alone, end] = [signal(), signal(), signal(), signal()];
  const running = new Set<string>();
  const beside: string[][] = [];
  const suspects = new Set<string>();
  const handler =
    (work: (id: string) => Promise<void>) =>
    async (job: { id: string }): Promise<void> => {
      if (suspects.has(job.id)) beside.push([...running]);
      running.add(job.id);
      await work(job.id);
      running.delete(job.id);
    };
  const worker = await project.worker({
    "slow:work": handler(async () => {
      started.send();
      await go.promise;
    }),
    "quick:work": handler(async (id) => {
      if (!suspects.has(id)) return;
      alone.send();
      await end.promise;
    }),
  });
  const long = await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project);
  suspects.add(suspect.id);
  await until("the suspect to be claimed", async () => (await project.state(suspect.id)) === "active");
  const next = await project.many(
    quick,
    [1, 2, 3].map((n) => ({ n })),
  );
  await until("a heartbeat", () => project.logger.messages("warn").length > 0);
  expect(project.logger.messages("warn")).toEqual([
    "a job that lost its worker before waits to run alone; nothing else is claimed",
  ]);
  for (const job of next) expect(await project.state(job.id)).toBe("pending");
  go.send();
  await alone.promise;
  for (const job of next) expect(await project.state(job.id)).toBe("pending");
  end.send();
  await within(5000, "all to end", Promise.all([long, suspect, ...next].map((job) => job.result())));
  expect(beside).toEqual([[]]);
  const run = await project.run(suspect.id);
  expect(run.events.map((event) => event.slice(1, 3))).toEqual([
    ["alone", worker.name],
    ["completed", worker.name],
  ]);
});

test("of several, each worker keeps one and gives the rest back", async () => {
  const project = setup();
  const suspects = await Promise.all([0, 1, 2, 3].map(() => suspectOf(project, slow)));
  const go = signal();
  let most = 0;
  let count = 0;
  const handlers = {
    "slow:work": async () => {
      most = Math.max(most, ++count);
      await go.promise;
      count -= 1;
    },
  };
  await project.worker(handlers);
  await project.worker(handlers);
  await until("each to run one", () => count === 2);
  const waiting = async (): Promise<number> => {
    const states = await Promise.all(suspects.map((job) => project.state(job.id)));
    return states.filter((state) => state !== "active").length;
  };
  await until("the others to be free", async () => (await waiting()) === 2);
  go.send();
  await within(8000, "all to end", Promise.all(suspects.map((job) => job.result())));
  expect(most).toBe(2);
  for (const job of suspects) expect(await project.kinds(job.id)).toEqual(["alone", "completed"]);
});

test("a worker that stops gives it back as it was", async () => {
  const project = setup();
  const started = signal();
  const worker = await project.worker({
    "slow:work": async (_job, ctx) => {
      started.send();
      await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    },
    "quick:work": () => "done",
  });
  await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project);
  await until("the suspect to be claimed", async () => (await project.state(suspect.id)) === "active");
  await worker.stop();
  expect(await project.state(suspect.id)).toBe("due");
  expect(await project.run(suspect.id)).toMatchObject({ crashes: 2, events: [] });
});

test("a worker that loses its lease while it waits claims again under its new name", async () => {
  const project = setup();
  const proxy = await startProxy(redis.port);
  const started = signal();
  await project.worker(
    {
      "slow:work": async (_job, ctx) => {
        started.send();
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
      },
      "quick:work": () => "by the zombie",
    },
    { url: proxy.url, maxBlock: 0 },
  );
  const long = await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project);
  await until("the suspect to be claimed", async () => (await project.state(suspect.id)) === "active");
  proxy.stall();
  const other = await project.worker({
    "slow:work": () => "by the other",
    "quick:work": () => "by the other",
  });
  expect(await within(8000, "the suspect to be taken over", suspect.result())).toBe("by the other");
  expect(await long.result()).toBe("by the other");
  expect(await project.kinds(suspect.id)).toEqual(["alone", "completed"]);
  await other.stop();
  proxy.heal();
  const next = await project.enqueue(quick, { n: 2 });
  expect(await within(8000, "the zombie to work again", next.result())).toBe("by the zombie");
});

test("starts also when the last that waited for a slot has no handler here", async () => {
  const unserved = defineTask("unserved:work");
  const project = setupProject({ redis, tasks: [slow, quick, unserved] as never });
  const handlers = {
    "slow:work": async () => delay(50),
    "quick:work": () => undefined,
  };
  await project.worker(handlers, { concurrency: 1 });
  // Until handlers are known to be short, nothing is claimed beyond the free slot.
  const warm = await project.many(
    quick,
    Array.from({ length: 200 }, (_unused, n) => ({ n })),
  );
  await Promise.all(warm.map((job) => job.result()));
  const { keys } = project;
  await project.raw.hset(keys.paused, "default", "1");
  await project.enqueue(slow, { n: 1 });
  const strange = await project.enqueue(unserved, { n: 2 });
  const suspect = await suspectOf(project);
  await project.raw.multi().hdel(keys.paused, "default").lpush(keys.queue("default").wake, "1").exec();
  await within(5000, "the suspect to run", suspect.result());
  expect(await project.kinds(strange.id)).toEqual(["failed"]);
});

test("that this worker has no handler for stops nothing here", async () => {
  const unserved = defineTask("unserved:work");
  const project = setupProject({ redis, tasks: [slow, quick, unserved] as never });
  const [started, go] = [signal(), signal()];
  const slowly = async (): Promise<void> => {
    started.send();
    await go.promise;
  };
  await project.worker({ "slow:work": slowly, "quick:work": () => undefined });
  await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project, unserved as never);
  await until("it to be put off", async () => (await project.kinds(suspect.id)).includes("failed"));
  const next = await project.enqueue(quick, { n: 2 });
  expect(await within(5000, "others to run beside a long job", next.result())).toBeUndefined();
  go.send();
});

test.each([
  ["before it may start", false],
  ["while others still run", true],
])(
  "in a worker of several shards, one whose Redis is silent %s holds up no other, and runs alone when it answers",
  async (_name, drains) => {
    const project = setup();
    const { keys, logger, raw } = project;
    const proxy = await startProxy(redis.port);
    const connection = new Connection({ url: proxy.url }, "test");
    onTestFinished(() => connection.disconnect());
    const run = { ...NEW_RUN, crashes: 2 };
    await raw.hset(keys.active, "id", "A");
    await raw.hset(keys.runs, "id", encodeRun(run));
    await raw.hset(keys.jobs, "id", '[1,"quick:work","default","hash",{"n":1}]');
    await raw.zadd(keys.leases, 8e15, "A");

    const slots = new SharedSlots(4);
    let busy = 0;
    const others: string[] = [];
    const user = {
      running: () => 0,
      coming: () => 0,
      hungry: () => true,
      busy: () => busy,
      look: () => undefined,
      close: () => void others.push("closed"),
      open: () => void others.push("open"),
    };
    const share = slots.join({ ...user, busy: () => 0 });
    slots.join(user);
    const started = signal<number>();
    const suspects = new Suspects({
      connection,
      keys,
      logger,
      worker: () => "A",
      busy: () => 0,
      start: () => started.send(busy),
      isServed: () => true,
      giveBack: () => undefined,
      onClosed: () => undefined,
      onOpen: () => undefined,
      onLost: () => undefined,
      shared: share.suspects,
    });
    const claim = { id: "id", record: { task: "quick:work" }, run } as Claim;
    await connection.redis.ping();
    proxy.stall();
    busy = drains ? 1 : 0;
    expect(suspects.sift([claim], true)).toEqual([]);
    suspects.look();
    expect(others).toEqual(["closed"]);
    await until("the others to go on", () => others.at(-1) === "open");
    busy = 1;
    proxy.heal();
    await until("the others to stop again", () => others.at(-1) === "closed");
    busy = 0;
    suspects.look();
    expect(await within(5000, "the suspect to start", started.promise)).toBe(0);
    await until("it to be noted", async () => (await project.kinds("id")).includes("alone"));
  },
);

test("a part that stands aside claims nothing when another part's suspect has ended, nor while its own runs", async () => {
  const project = setupProject({ redis, tasks: [slow, quick] as never, shards: 2 });
  const [go, started, alone, end] = [signal(), signal(), signal(), signal()];
  /** Stores jobs in a shard that are not due yet. */
  async function laterIn(shard: number, count: number, task = quick): Promise<string[]> {
    const ids: string[] = [];
    while (ids.length < count) {
      const { id } = await project.enqueue(task, { n: 0 }, { delay: "1h" });
      if (project.router.ofId(id) === shard) ids.push(id);
    }
    return ids;
  }
  async function release(shard: number, ids: readonly string[], crashes = 0): Promise<void> {
    const { raw, keys } = project.shards[shard]!;
    const { due, pending, wake } = keys.queue("default");
    if (crashes > 0) for (const id of ids) await raw.hset(keys.runs, id, encodeRun({ ...NEW_RUN, crashes }));
    const moves = raw
      .multi()
      .zrem(due, ...ids)
      .rpush(pending, ...ids);
    await moves.del(wake).lpush(wake, "1").exec();
  }
  const [[long], [suspectA], [suspectB]] = [
    await laterIn(1, 1, slow),
    await laterIn(0, 1),
    await laterIn(1, 1),
  ];
  const [load, witness] = [await laterIn(0, 20), await laterIn(1, 1)];
  const handlers = {
    "slow:work": async () => {
      started.send();
      await go.promise;
    },
    "quick:work": async ({ id }: { id: string }) => {
      if (id !== suspectA) return;
      alone.send();
      await end.promise;
    },
  };
  const worker = new ShardedWorker(
    {
      schedules: [],
      contracts: [slow, quick] as never,
      queues: project.queues,
      handlers: Object.fromEntries(
        Object.entries(handlers).map(([name, handler]) => [name, () => Promise.resolve({ name, handler })]),
      ) as never,
    } as never,
    { url: redis.url, prefix: project.prefix, shards: 2, logger: project.logger, concurrency: 4 },
  );
  onTestFinished(() => worker.stop());
  await worker.start();
  await release(1, [long!]);
  await started.promise;
  await release(0, [suspectA!], 2);
  await until("A's suspect to be claimed", async () => (await project.state(suspectA!)) === "active");
  const { stream } = worker.parts[0]!.home.connection.redis;
  stream.pause();
  await release(1, witness);
  await until("A to stand aside", async () => (await project.state(witness[0]!)) === "completed");
  await release(1, [suspectB!], 2);
  go.send();
  await until("B's suspect to have run", async () => (await project.state(suspectB!)) === "completed");
  await release(0, load);
  stream.resume();
  await within(10_000, "A's suspect to run", alone.promise);
  const { raw, keys } = project.shards[0]!;
  const lease = await raw.zscore(keys.leases, worker.parts[0]!.name);
  const calls = await commandCalls(raw, "evalsha");
  await until("a heartbeat", async () => (await raw.zscore(keys.leases, worker.parts[0]!.name)) !== lease);
  expect((await commandCalls(raw, "evalsha")) - calls).toBeLessThan(100);
  expect(await raw.llen(keys.queue("default").pending)).toBe(load.length);
  end.send();
  await until("all to have ended", async () => (await project.state(load.at(-1)!)) === "completed");
});

test("a suspect that waits for its turn and is cancelled does not start any more", async () => {
  const project = setup();
  const inspector = openInspector({ url: redis.url, prefix: project.prefix });
  onTestFinished(() => inspector.close());
  const [started, go] = [signal(), signal()];
  let ran = 0;
  await project.worker({
    "slow:work": async () => {
      started.send();
      await go.promise;
    },
    "quick:work": () => void (ran += 1),
  });
  const long = await project.enqueue(slow, { n: 1 });
  await started.promise;
  const suspect = await suspectOf(project);
  await until("the suspect to be claimed", async () => (await project.state(suspect.id)) === "active");
  expect(await inspector.cancel(suspect.id)).toBe("requested");
  // The other job still runs.
  await until("the suspect to end", async () => (await project.state(suspect.id)) === "cancelled");
  go.send();
  await long.result();
  expect(ran).toBe(0);
});
