// `fairness` of a task, with real workers: what a key waits does not grow with the backlog of another, and idle slots are never left
// empty. Waits are counted in starts of others, not in time.
import { describe, expect, test } from "vitest";
import { defineTask, rejection, setupProject, type Project } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();

/** Jobs of the tenant with the backlog. */
const BACKLOG = Number(process.env["FAIRNESS_BACKLOG"] ?? 25_000);
const TENANTS = 50;
const CONCURRENCY = 10;

interface Tenant {
  readonly n: number;
  readonly tenant: string;
}

const byTenant = (more: Parameters<typeof defineTask<Tenant>>[1] = {}) =>
  defineTask<Tenant>("tenant:work", {
    fairnessKey: ({ tenant }) => tenant,
    retention: { completedMs: 0, deadMs: 60_000 },
    timeoutMs: 60_000,
    ...more,
  });

const setup = (...tasks: readonly unknown[]): Project => setupProject({ redis, tasks: tasks as never });
const jobsOf = (tenant: string, count: number): Tenant[] =>
  Array.from({ length: count }, (_unused, n) => ({ n, tenant }));

describe("fifty tenants, one with a backlog", () => {
  interface Waits {
    /** In starts of any tenant, for the first, second, ... job of each of the others. */
    readonly waits: readonly (readonly number[])[];
    /** Starts of the tenant with the backlog, until all of the others have started. */
    readonly meanwhile: number;
  }

  /** Two workers are in the middle of the backlog, with all slots taken, when five jobs of each of the others come. */
  async function waitsBeside(backlog: number, task: ReturnType<typeof byTenant>): Promise<Waits> {
    const project = setup(task);
    await project.many(task, jobsOf("big", backlog));
    const [full, go] = [signal(), signal()];
    const waits: number[][] = Array.from({ length: 5 }, () => []);
    const others = Array.from({ length: TENANTS - 1 }, (_unused, n) => jobsOf(`small${n}`, 5)).flat();
    const slots = 2 * CONCURRENCY;
    let [started, meanwhile, small] = [0, 0, 0];
    const handler = async ({ payload: { n, tenant } }: { payload: Tenant }): Promise<void> => {
      started += 1;
      if (tenant !== "big") {
        small += 1;
        waits[n]!.push(started - 5 * slots);
      } else if (small < others.length) meanwhile += 1;
      if (started === 5 * slots) full.send();
      if (started > 4 * slots) await go.promise;
    };
    for (let n = 0; n < 2; n += 1) {
      await project.worker({ "tenant:work": handler } as never, { concurrency: CONCURRENCY, claimAhead: 0 });
    }
    await full.promise;
    await project.many(task, others);
    go.send();
    await until("the jobs of the others to be done", () => small === others.length);
    expect(Number(await project.raw.hget(project.keys.groups, "#default"))).toBeGreaterThan(backlog / 2);
    return { waits, meanwhile: meanwhile - 5 * slots };
  }

  const few = 2000;
  test.each([few, BACKLOG])(
    "of %i: each job of the others waits for one turn of each tenant",
    { timeout: 120_000 },
    async (backlog) => {
      const { waits, meanwhile } = await waitsBeside(backlog, byTenant());
      for (const [n, of] of waits.entries()) {
        expect(of).toHaveLength(TENANTS - 1);
        // What starts at the same time in two workers may be seen in another order.
        expect(Math.max(...of)).toBeLessThanOrEqual(TENANTS * (n + 1) + CONCURRENCY);
      }
      // The tenant with the backlog has its turns too.
      expect(meanwhile).toBeGreaterThanOrEqual(4);
      expect(meanwhile).toBeLessThanOrEqual(6 + CONCURRENCY);
    },
  );

  test("without turns: they wait for all of it", { timeout: 120_000 }, async () => {
    const { fairnessKey: _key, ...plain } = byTenant();
    const project = setup(plain);
    await project.many(plain, jobsOf("big", few));
    await project.many(plain, jobsOf("small", 1));
    let [big, before] = [0, -1];
    const handler = ({ payload }: { payload: Tenant }): void => {
      if (payload.tenant === "big") big += 1;
      else before = big;
    };
    await project.worker({ "tenant:work": handler } as never, { concurrency: CONCURRENCY });
    await until("the job of the other to be done", () => before >= 0);
    expect(before).toBeGreaterThan(few - 2 * CONCURRENCY);
  });
});

describe("fairness", () => {
  test("gives every slot to the only key that has jobs", async () => {
    const task = byTenant();
    const project = setup(task);
    await project.many(task, jobsOf("big", 100));
    const [full, go] = [signal(), signal()];
    let [running, done] = [0, 0];
    const handler = async (): Promise<void> => {
      if ((running += 1) === 2 * CONCURRENCY) full.send();
      await go.promise;
      done += 1;
    };
    for (let n = 0; n < 2; n += 1) {
      await project.worker({ "tenant:work": handler } as never, { concurrency: CONCURRENCY });
    }
    await full.promise;
    go.send();
    await until("all jobs to be done", () => done === 100);
    expect(running).toBe(100);
  });

  test("is of each queue for itself, so that a paused one holds up no other", async () => {
    const queues = ["default", "other"].map((name) => ({ name, weight: 1 }));
    const task = byTenant();
    const project = setupProject({ redis, tasks: [task] as never, queues });
    await project.raw.hset(project.keys.paused, "default", 1);
    await project.many(task, jobsOf("a", 3));
    await project.many(task, jobsOf("a", 3), { queue: "other" });
    let done = 0;
    await project.worker({ "tenant:work": () => void (done += 1) });
    await until("those of the other queue to be done", () => done === 3);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(1);
  });

  test("goes with retries, delays and batches", async () => {
    const task = byTenant({
      batch: { size: 5, withinMs: 50 },
      batchKey: ({ tenant }) => tenant,
      retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setup(task);
    await project.many(task, [...jobsOf("a", 20), ...jobsOf("b", 3)]);
    await project.many(task, jobsOf("c", 5), { delay: 20 });
    const failed = new Set<string>();
    let done = 0;
    const batch = (jobs: readonly { id: string; payload: Tenant }[], ctx: never): void => {
      expect(new Set(jobs.map(({ payload }) => payload.tenant)).size).toBe(1);
      for (const job of jobs) {
        if (failed.has(job.id)) done += 1;
        else (ctx as { fail(job: unknown, error: Error): void }).fail(job, new Error("first"));
        failed.add(job.id);
      }
    };
    await project.worker({}, { concurrency: CONCURRENCY, batches: { "tenant:work": batch as never } });
    await until("all jobs to be done", () => done === 28);
    await until("the gate to be empty", async () => (await project.raw.exists(project.keys.limited)) === 0);
  });

  test("is said to the shard by the worker that started last", async () => {
    const task = byTenant();
    const project = setup(task);
    await project.worker({});
    expect(await project.raw.hmget(project.keys.groups, "%tenant:work", "%")).toEqual(["0 0 1", "1"]);
    const rated = setup(byTenant({ rateLimit: { limit: 5, perMs: 1000 }, rateLimitKey: task.fairnessKey! }));
    await rated.worker({}, { prefix: project.prefix });
    expect(await project.raw.hget(project.keys.groups, "%tenant:work")).toBe("5 1000 1");
    const { fairnessKey: _key, ...plain } = task;
    const before = setup(plain);
    await before.worker({}, { prefix: project.prefix });
    expect(await project.raw.hget(project.keys.groups, "%tenant:work")).toBe("-");
  });

  test("refuses a key that is none, and a queue with a limit", async () => {
    const queues = [
      { name: "default", weight: 1 },
      { name: "narrow", weight: 1, concurrency: 1 },
    ];
    const task = byTenant();
    const project = setupProject({ redis, tasks: [task] as never, queues });
    const key = await rejection(project.many(task, jobsOf("", 1)));
    expect(key.message).toContain("fairness.key: expected 1 to 512 characters");
    const queue = await rejection(project.many(task, jobsOf("a", 1), { queue: "narrow" }));
    expect(queue.message).toContain("one without a limit, because tenant:work takes turns between keys");
  });
});
