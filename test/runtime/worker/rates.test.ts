// `rateLimit` of a task and of a queue, with real workers: never more starts than the rate, over all of them, and hardly fewer.
import { describe, expect, test } from "vitest";
import { commandCalls, defineTask, rejection, setupProject, type Project } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();

interface Call {
  readonly n: number;
  readonly to: string;
}

const setup = (...tasks: readonly unknown[]): Project => setupProject({ redis, tasks: tasks as never });
const kept = { retention: { completedMs: 0, deadMs: 60_000 } };
const byKey = (limit: number, perMs: number, more = {}) =>
  defineTask<Call>("api:call", {
    rateLimit: { limit, perMs },
    rateLimitKey: ({ to }) => to,
    ...kept,
    ...more,
  });
const jobs = (count: number, to: string): Call[] =>
  Array.from({ length: count }, (_unused, n) => ({ n, to }));

/** Between claim and handler lie milliseconds, on a busy machine some tens of them. */
const SKEW_MS = 200;

function assertRate(starts: readonly number[], limit: number, perMs: number): void {
  const sorted = starts.toSorted((a, b) => a - b);
  for (let i = 0; i + limit < sorted.length; i += 1)
    expect(sorted[i + limit]! - sorted[i]!, `starts ${i} and ${i + limit}`).toBeGreaterThan(
      perMs - Math.min(SKEW_MS, perMs / 2),
    );
}

class Starts {
  readonly at = new Map<string, number[]>();
  total = 0;

  note(key: string): void {
    this.at.set(key, [...(this.at.get(key) ?? []), performance.now()]);
    this.total += 1;
  }

  of(key: string): readonly number[] {
    return this.at.get(key) ?? [];
  }
}

describe("a rate", () => {
  test("holds over two workers, and is no window passes unused", async () => {
    const task = byKey(50, 1000);
    const project = setup(task);
    const starts = new Starts();
    const handlers = { "api:call": ({ payload }: { payload: Call }) => starts.note(payload.to) };
    for (let n = 0; n < 2; n += 1) await project.worker(handlers as never, { concurrency: 20 });
    await project.many(task, [...jobs(250, "a"), ...jobs(150, "b")]);
    await until("all jobs to be done", () => starts.total === 400);
    for (const key of ["a", "b"]) assertRate(starts.of(key), 50, 1000);
    const [first, last] = [starts.of("a")[0]!, starts.of("a").at(-1)!];
    // Five windows: the last begins four seconds after the first, and a sixth would begin after five.
    expect(last - first).toBeLessThan(5000);
    await until("the gate to be empty", async () => (await project.raw.exists(project.keys.limited)) === 0);
  });

  test("of 100,000 waiting jobs of one key slows no other key", { timeout: 60_000 }, async () => {
    const task = byKey(1, 3_600_000);
    const project = setup(task);
    await project.many(task, jobs(100_000, "big"));
    const starts = new Starts();
    const handlers = { "api:call": ({ payload }: { payload: Call }) => starts.note(payload.to) };
    await project.worker(handlers as never, { concurrency: 10 });
    const others = Array.from({ length: 500 }, (_unused, n) => ({ n, to: `small${n}` }));
    const begun = performance.now();
    await project.many(task, others);
    await until("the jobs of the others to be done", () => starts.total === 501);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(starts.of("big")).toHaveLength(1);
  });

  test("wakes an idle worker in time, and does not keep it busy meanwhile", async () => {
    const task = byKey(1, 2000);
    const project = setup(task);
    const starts = new Starts();
    const handlers = { "api:call": ({ payload }: { payload: Call }) => starts.note(payload.to) };
    for (let n = 0; n < 2; n += 1) await project.worker(handlers as never, { concurrency: 5 });
    await project.many(task, jobs(1, "a"));
    await until("the first to start", () => starts.total === 1);
    await project.many(task, jobs(20, "a"));
    const before = await commandCalls(project.raw, "evalsha");
    await until("the second to start", () => starts.total === 2);
    // Two seconds of heartbeats (a third of the lease of 1 s, two workers) and looks.
    expect((await commandCalls(project.raw, "evalsha")) - before).toBeLessThan(40);
    assertRate(starts.of("a"), 1, 2000);
    // A worker that nobody wakes looks after 5 s.
    expect(starts.of("a")[1]! - starts.of("a")[0]!).toBeLessThan(3500);
  });

  test("counts retries, and lets them start before those that came later", async () => {
    const task = byKey(2, 500, {
      retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setup(task);
    const starts = new Starts();
    const order: number[] = [];
    const seen = new Set<number>();
    const work = ({ payload }: { payload: Call }): void => {
      starts.note(payload.to);
      order.push(payload.n);
      if (!seen.has(payload.n)) {
        seen.add(payload.n);
        throw new Error("once more");
      }
    };
    for (let n = 0; n < 2; n += 1) await project.worker({ "api:call": work } as never, { concurrency: 5 });
    await project.many(task, jobs(4, "a"));
    await until("all attempts to be made", () => starts.total === 8);
    assertRate(starts.of("a"), 2, 500);
    expect(order.slice(0, 4).toSorted((a, b) => a - b)).toEqual([0, 0, 1, 1]);
  });

  test("and a limit of concurrency hold together", async () => {
    const task = byKey(20, 500, { concurrency: { limit: 3 }, concurrencyKey: ({ to }: Call) => to });
    const project = setup(task);
    const starts = new Starts();
    let [running, most] = [0, 0];
    const work = async ({ payload }: { payload: Call }): Promise<void> => {
      starts.note(payload.to);
      most = Math.max(most, ++running);
      for (let turn = 0; turn < 3; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
    };
    for (let n = 0; n < 2; n += 1) await project.worker({ "api:call": work } as never, { concurrency: 20 });
    await project.many(task, jobs(80, "a"));
    await until("all jobs to be done", () => starts.total === 80);
    assertRate(starts.of("a"), 20, 500);
    expect(most).toBe(3);
  });

  test("that is no longer declared lets all go on", async () => {
    const task = byKey(1, 3_600_000);
    const project = setup(task);
    await project.many(task, jobs(5, "a"));
    const { rateLimit: _gone, rateLimitKey: _key, ...plain } = task;
    const after = setupProject({ redis, tasks: [plain] as never });
    let done = 0;
    await after.worker({ "api:call": () => void (done += 1) }, { prefix: project.prefix });
    await until("all jobs to be done", () => done === 5, 10_000);
    // Nor does a producer of that deploy bring it back.
    await project.many(task, jobs(5, "a"));
    await until("the later jobs to be done", () => done === 10, 10_000);
    expect(await project.raw.hget(project.keys.groups, "%api:call")).toBe("-");
  });

  test("and is declared again holds again", async () => {
    const task = byKey(1, 3_600_000);
    const project = setup(task);
    await project.raw.hset(project.keys.groups, "%api:call", "-");
    let done = 0;
    await project.worker({ "api:call": () => void (done += 1) });
    await project.many(task, jobs(2, "a"));
    await until("the first to be done", () => done === 1);
    const { raw, keys } = project;
    await until("the other to wait for a time", async () => (await raw.zcard(keys.waiting)) === 3);
    expect(done).toBe(1);
  });
});

describe("a rate of a queue", () => {
  const queues = [
    { name: "default", weight: 1 },
    { name: "slow", weight: 1, rateLimit: { limit: 5, perMs: 300 } },
  ];

  test("holds for all its tasks, and for no other queue", async () => {
    const tasks = [
      defineTask<Call>("one:call", { queue: "slow", ...kept }),
      defineTask<Call>("other:call", kept),
    ];
    const project = setupProject({ redis, tasks: tasks as never, queues });
    const starts = new Starts();
    const work = (job: { queue: string }): void => starts.note(job.queue);
    await project.many(tasks[0]!, jobs(10, "a"));
    await project.many(tasks[1]!, jobs(10, "a"), { queue: "slow" });
    await project.many(tasks[1]!, jobs(10, "a"));
    const [started, handlers] = [signal(), { "one:call": work, "other:call": work } as never];
    for (let n = 0; n < 2; n += 1) await project.worker(handlers, { concurrency: 10 });
    started.send();
    await within(
      10_000,
      "all jobs to be done",
      until("done", () => starts.total === 30, 9000),
    );
    assertRate(starts.of("slow"), 5, 300);
    expect(starts.of("default")).toHaveLength(10);
  });

  test("is not for a task that has a limit of its own", async () => {
    const task = byKey(1, 1000);
    const project = setupProject({ redis, tasks: [task] as never, queues });
    const error = await rejection(project.enqueue(task, { n: 1, to: "a" }, { queue: "slow" }));
    expect(error.message).toContain("expected one without a limit, because api:call has a limit of its own");
  });
});

test("a key that is no key is refused", async () => {
  const task = byKey(1, 1000);
  const project = setup(task);
  const error = await rejection(project.enqueue(task, { n: 1, to: "" }));
  expect(error.message).toContain("rateLimit.key: expected 1 to 512 characters");
});
