// `concurrency` of a task, with real workers: never more than the limit over all of them, and nobody waits behind a blocked key.
import { describe, expect, test } from "vitest";
import { commandCalls, defineTask, rejection, setupProject, type Project } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();

interface Tenant {
  readonly n: number;
  readonly tenant: string;
}

const byTenant = (limit: number) =>
  defineTask<Tenant>("tenant:work", {
    concurrency: { limit },
    concurrencyKey: ({ tenant }) => tenant,
    retention: { completedMs: 0, deadMs: 60_000 },
    timeoutMs: 60_000,
  });

const setup = (...tasks: readonly unknown[]): Project => setupProject({ redis, tasks: tasks as never });

describe("a limit by key", () => {
  test("holds over two workers of twenty slots, and every job completes", async () => {
    const task = byTenant(3);
    const project = setup(task);
    const running = new Map<string, number>();
    const most = new Map<string, number>();
    let done = 0;
    const handlers = {
      "tenant:work": async ({ payload }: { payload: Tenant }) => {
        const now = (running.get(payload.tenant) ?? 0) + 1;
        running.set(payload.tenant, now);
        most.set(payload.tenant, Math.max(most.get(payload.tenant) ?? 0, now));
        for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        running.set(payload.tenant, now - 1 < 0 ? 0 : running.get(payload.tenant)! - 1);
        done += 1;
      },
    };
    const jobs = Array.from({ length: 1000 }, (_unused, n) => ({ n, tenant: `t${n % 10}` }));
    await project.many(task, jobs);
    for (let n = 0; n < 2; n += 1) await project.worker(handlers as never, { concurrency: 20 });
    await until("all jobs to be done", () => done === jobs.length);
    expect([...most.values()]).toEqual(Array.from({ length: 10 }, () => 3));
    await until("the gate to be empty", async () => (await project.raw.exists(project.keys.limited)) === 0);
  });

  test("lets twenty tenants pass a backlog of 20,000 of another", async () => {
    const task = byTenant(1);
    const project = setup(task);
    const backlog = Array.from({ length: 20_000 }, (_unused, n) => ({ n, tenant: "big" }));
    await project.many(task, backlog);
    const others = Array.from({ length: 100 }, (_unused, n) => ({ n, tenant: `small${n % 20}` }));
    await project.many(task, others);
    const [all, go] = [signal(), signal()];
    let [big, small] = [0, 0];
    const handlers = {
      "tenant:work": async ({ payload }: { payload: Tenant }) => {
        if (payload.tenant === "big") {
          big += 1;
          await go.promise;
        } else if ((small += 1) === others.length) all.send();
      },
    };
    await project.worker(handlers as never, { concurrency: 10 });
    await within(5000, "the jobs of the others to be done", all.promise);
    expect(big).toBe(1);
    go.send();
  });

  test("of one runs the jobs of a key one by one in the order of their enqueues", async () => {
    const task = byTenant(1);
    const project = setup(task);
    const seen = new Map<string, number[]>();
    let done = 0;
    const handlers = {
      "tenant:work": async ({ payload }: { payload: Tenant }) => {
        seen.set(payload.tenant, [...(seen.get(payload.tenant) ?? []), payload.n]);
        if (payload.n % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
        done += 1;
      },
    };
    for (let n = 0; n < 2; n += 1) await project.worker(handlers as never, { concurrency: 5 });
    const jobs = Array.from({ length: 300 }, (_unused, n) => ({ n, tenant: `t${n % 3}` }));
    await project.many(task, jobs);
    await until("all jobs to be done", () => done === jobs.length);
    for (const order of seen.values()) expect(order).toEqual(order.toSorted((a, b) => a - b));
  });
});

describe("a limit without a key", () => {
  test("is that of the worker that started last", async () => {
    const task = defineTask("one:work", { concurrency: { limit: 1 } });
    const project = setup(task);
    await project.many(task, [{ n: 1 }, { n: 2 }, { n: 3 }]);
    const wider = setupProject({ redis, tasks: [{ ...task, concurrency: { limit: 2 } }] as never });
    const [first, go] = [signal(), signal()];
    let running = 0;
    const work = async (): Promise<void> => {
      running += 1;
      first.send();
      await go.promise;
    };
    await project.worker({ "one:work": work }, { concurrency: 5 });
    await first.promise;
    expect(running).toBe(1);
    await wider.worker({}, { prefix: project.prefix, concurrency: 1, queues: ["default"] });
    expect(await project.raw.hget(project.keys.groups, "one:work")).toBe("2");
    go.send();
  });

  test("lets those in who wait as soon as a deploy raises it, while nobody ends", async () => {
    const task = byTenant(1);
    const project = setup(task);
    const go = signal();
    const starts: number[] = [];
    const handlers = {
      "tenant:work": async ({ payload: { n } }: { payload: Tenant }) => {
        starts.push(n);
        await go.promise;
      },
    };
    const tenants = Array.from({ length: 250 }, (_unused, n) => `t${n}`);
    await project.many(
      task,
      [0, 1, 2].flatMap((n) => tenants.map((tenant) => ({ n, tenant }))),
    );
    await project.worker(handlers as never, { concurrency: 600 });
    await until("the first of each to start", () => starts.length === 250);
    const wider = setupProject({ redis, tasks: [byTenant(2)] as never });
    await wider.worker(handlers as never, { prefix: project.prefix, concurrency: 600 });
    await until("the second of each to start", () => starts.length === 500);
    expect(starts.filter((n) => n === 2)).toEqual([]);
    expect(await project.raw.exists(project.keys.paused)).toBe(0);
    go.send();
  });

  test("does not keep idle workers busy", async () => {
    const task = defineTask("one:work", { concurrency: { limit: 1 } });
    const project = setup(task);
    const [started, go] = [signal(), signal()];
    const work = async (): Promise<void> => {
      started.send();
      await go.promise;
    };
    for (let n = 0; n < 2; n += 1) await project.worker({ "one:work": work }, { concurrency: 5 });
    await project.many(
      task,
      Array.from({ length: 50 }, (_unused, n) => ({ n })),
    );
    await started.promise;
    const before = await commandCalls(project.raw, "evalsha");
    const beats = await project.raw.hget(project.keys.groups, "#default");
    expect(beats).toBe("49");
    // A second of heartbeats (a third of the lease of 1 s, two workers) and looks.
    const [from] = await project.raw.time();
    await until("a second to pass", async () => Number((await project.raw.time())[0]) >= Number(from) + 2);
    expect((await commandCalls(project.raw, "evalsha")) - before).toBeLessThan(40);
    go.send();
  });
});

describe("a limit of a queue", () => {
  const queues = [
    { name: "default", weight: 1 },
    { name: "slow", weight: 1, concurrency: 2 },
  ];

  test("holds for all its tasks over all workers, and for no other queue", async () => {
    const tasks = [defineTask("one:work", { queue: "slow" }), defineTask("other:work")];
    const project = setupProject({ redis, tasks: tasks as never, queues });
    const most: Record<string, number> = {};
    const running: Record<string, number> = {};
    let done = 0;
    const work = async (job: { queue: string }): Promise<void> => {
      const now = (running[job.queue] = (running[job.queue] ?? 0) + 1);
      most[job.queue] = Math.max(most[job.queue] ?? 0, now);
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      running[job.queue]! -= 1;
      done += 1;
    };
    const jobs = Array.from({ length: 100 }, (_unused, n) => ({ n }));
    await project.many(tasks[0]!, jobs);
    await project.many(tasks[1]!, jobs, { queue: "slow" }); // by the enqueue
    await project.many(tasks[1]!, jobs);
    const handlers = { "one:work": work, "other:work": work } as never;
    for (let n = 0; n < 2; n += 1) await project.worker(handlers, { concurrency: 10 });
    await until("all jobs to be done", () => done === 300);
    expect(most["slow"]).toBe(2);
    expect(most["default"]).toBeGreaterThan(2);
  });

  test("is not for a task that has a limit of its own", async () => {
    const task = defineTask("one:work", { concurrency: { limit: 1 } });
    const project = setupProject({ redis, tasks: [task] as never, queues });
    const error = await rejection(project.enqueue(task, { n: 1 }, { queue: "slow" }));
    expect(error.message).toContain("expected one without a limit, because one:work has a limit of its own");
  });

  test("lets those in who wait as soon as a deploy raises it, while nobody ends", async () => {
    const task = defineTask("one:work", { queue: "slow" });
    const before = setupProject({ redis, tasks: [task] as never, queues });
    const go = signal();
    let running = 0;
    const handlers = {
      "one:work": async () => {
        running += 1;
        await go.promise;
      },
    };
    await before.many(task, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    await before.worker(handlers, { concurrency: 10 });
    await until("two to start", () => running === 2);
    const wider = [{ name: "slow", weight: 1, concurrency: 4 }];
    const after = setupProject({ redis, tasks: [task] as never, queues: wider });
    await after.worker(handlers, { prefix: before.prefix, concurrency: 10 });
    await until("all to start", () => running === 4);
    expect(await before.raw.hget(before.keys.groups, "@slow ")).toBe("4");
    go.send();
  });

  test("is gone with the deploy that had it", async () => {
    const task = defineTask("one:work", { queue: "slow" });
    const before = setupProject({ redis, tasks: [task] as never, queues });
    await before.many(task, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    const after = setupProject({ redis, tasks: [task] as never, queues: [{ name: "slow", weight: 1 }] });
    let done = 0;
    await after.worker({ "one:work": () => void (done += 1) }, { prefix: before.prefix });
    await until("all jobs to be done", () => done === 4);
    // Nor does a producer of that deploy bring it back.
    await before.enqueue(task, { n: 5 });
    await until("its job to be done", () => done === 5);
    expect(await before.raw.hget(before.keys.groups, "@slow")).toBe("-");
  });
});

test("a key that is no key is refused", async () => {
  const task = byTenant(1);
  const project = setup(task);
  const error = await rejection(project.enqueue(task, { n: 1, tenant: "" }));
  expect(error.message).toContain("concurrency.key: expected 1 to 512 characters");
});

test("a schedule of a task with a limit counts in it", async () => {
  const task = defineTask<Tenant>("tenant:work", {
    concurrency: { limit: 1 },
    concurrencyKey: ({ tenant }) => tenant,
  });
  const schedules = [
    {
      name: "every",
      task: "tenant:work",
      cron: "* * * * *",
      timezone: "UTC",
      missed: "latest",
      overlap: "allow",
      jitterMs: 0,
      payload: { n: 1, tenant: "a" },
    },
  ] as const;
  const project = setupProject({ redis, tasks: [task] as never, schedules });
  await project.raw.hset(project.keys.schedules, "every", '["* * * * * UTC",1,0,"",0,""]', "@", "x 1");
  const ran = signal();
  await project.worker({ "tenant:work": () => ran.send() });
  await within(5000, "the tick to run", ran.promise);
  expect(await project.raw.hget(project.keys.groups, "#")).toBe("1");
});
