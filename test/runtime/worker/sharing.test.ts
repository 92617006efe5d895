// Who gets the slots: weights over queues, several workers, and no job held hostage behind a slow one.
import { describe, expect, test } from "vitest";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const work = defineTask("some:work", { timeoutMs: 60_000 });
const WEIGHTS = { critical: 6, high: 4, normal: 2, low: 1 } as const;
const QUEUES = Object.entries(WEIGHTS).map(([name, weight]) => ({ name, weight }));
const setup = (): Project =>
  setupProject({ redis, tasks: [{ ...work, queue: "critical" }] as never, queues: QUEUES });

async function fill(project: Project, queue: string, count: number): Promise<void> {
  await project.many(
    work,
    Array.from({ length: count }, (_unused, n) => ({ n })),
    { queue },
  );
}

describe("weights", () => {
  test.each([1, 3, 20])(
    "hold to a twentieth while all four queues are full, concurrency %i",
    async (concurrency) => {
      const project = setup();
      for (const { name } of QUEUES) await fill(project, name, 1600);
      const order: string[] = [];
      const enough = signal();
      await project.worker(
        {
          "some:work": async (job) => {
            order.push(job.queue);
            if (order.length === 2600) enough.send();
            if (concurrency > 1) await new Promise((resolve) => setImmediate(resolve));
          },
        },
        { concurrency },
      );
      await enough.promise;
      const sample = order.slice(0, 2600);
      for (const [queue, weight] of Object.entries(WEIGHTS)) {
        const share = sample.filter((name) => name === queue).length / sample.length;
        expect(Math.abs(share / (weight / 13) - 1), `share of ${queue}: ${share}`).toBeLessThan(0.05);
      }
      // No starvation: the longest wait for a start of the low queue, in starts of others.
      const gaps = sample.reduce<number[]>((all, name, at) => (name === "low" ? [...all, at] : all), []);
      const longest = Math.max(...gaps.map((at, index) => at - (gaps[index - 1] ?? 0)));
      expect(longest).toBeLessThan(60);
    },
  );

  test("leave no slot empty while any queue has a job", async () => {
    const project = setup();
    const [full, go] = [signal(), signal()];
    await fill(project, "low", 8);
    let running = 0;
    await project.worker(
      {
        "some:work": async () => {
          running += 1;
          if (running === 8) full.send();
          await go.promise;
        },
      },
      { concurrency: 8 },
    );
    await within(15_000, "all eight slots to be used by the low queue", full.promise);
    go.send();
    expect(running).toBe(8);
  });

  test("serve only the queues that the worker is told to", async () => {
    const project = setup();
    await fill(project, "critical", 3);
    await fill(project, "low", 3);
    const order: string[] = [];
    await project.worker({ "some:work": (job) => void order.push(job.queue) }, { queues: ["low"] });
    await until("the low queue to be drained", () => order.length === 3);
    expect(new Set(order)).toEqual(new Set(["low"]));
    expect(await project.raw.llen(project.keys.queue("critical").pending)).toBe(3);
  });
});

describe("several workers", () => {
  test("run 10,000 jobs exactly once, each with a share", async () => {
    const project = setupProject({ redis, tasks: [work] as never });
    const runs = new Map<string, string>();
    const twice: string[] = [];
    const done = signal();
    for (const name of ["a", "b", "c"]) {
      await project.worker(
        {
          "some:work": async (job) => {
            if (runs.has(job.id)) twice.push(job.id);
            runs.set(job.id, name);
            await new Promise((resolve) => setImmediate(resolve));
            if (runs.size === 10_000) done.send();
          },
        },
        { concurrency: 20 },
      );
    }
    await project.many(
      work,
      Array.from({ length: 10_000 }, (_unused, n) => ({ n })),
    );
    await done.promise;
    await until("all to be recorded", async () => (await project.raw.zcard(project.keys.done)) === 10_000);
    expect(twice).toEqual([]);
    const shares = ["a", "b", "c"].map((name) => [...runs.values()].filter((by) => by === name).length);
    expect(Math.min(...shares)).toBeGreaterThan(1000);
  });

  test("a slow job holds no other hostage while another worker is free", async () => {
    const project = setupProject({ redis, tasks: [work] as never });
    const go = signal();
    const slowStarted = signal<string>();
    const handler =
      (name: string) =>
      async (job: { payload: { n: number } }): Promise<string> => {
        if (job.payload.n < 0) {
          slowStarted.send(name);
          await go.promise;
        }
        return name;
      };
    // Hundreds of short runs teach the first worker that handlers are short; it claims ahead now.
    const first = { "some:work": handler("first") } as never;
    await project.worker(first, { concurrency: 2 });
    const warm = await project.many(
      work,
      Array.from({ length: 600 }, (_unused, n) => ({ n })),
    );
    await Promise.all(warm.map((job) => job.result()));
    const mixed = await project.many(work, [
      { n: -1 },
      { n: -2 },
      ...Array.from({ length: 50 }, (_unused, n) => ({ n })),
    ]);
    await slowStarted.promise;
    await project.worker({ "some:work": handler("second") } as never, { concurrency: 2 });
    const rest = Promise.all(mixed.slice(2).map((job) => job.result()));
    try {
      await within(15_000, "the short jobs to end although two slow ones run", rest);
    } finally {
      go.send();
    }
    expect((await rest).length).toBe(50);
  });
});
