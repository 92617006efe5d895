// Redis itself dies and comes back, or forgets its scripts, while producers and workers are busy.
import { describe, expect, test } from "vitest";
import { type Project, defineTask, setupProject } from "../support/project.js";
import { type TestRedis, startRedis } from "../support/redis.js";
import { until, within } from "../support/signal.js";

const work = defineTask<{ n: number }, number>("some:work", {
  retry: { maxRetries: 2, backoff: { type: "fixed", delayMs: 5, jitter: "none" } },
});

interface Load {
  readonly project: Project;
  readonly ids: string[];
  readonly runs: ReadonlyMap<number, number>;
  /** Enqueues until told to stop. */
  stop(): Promise<void>;
}

/** Two workers and a producer that never waits for long; every tenth job fails once. */
async function startLoad(redis: TestRedis): Promise<Load> {
  const project = setupProject({ redis, tasks: [work] as never });
  const runs = new Map<number, number>();
  const handlers = {
    "some:work": async (job: { payload: { n: number }; attempt: number }) => {
      const { n } = job.payload;
      runs.set(n, (runs.get(n) ?? 0) + 1);
      await new Promise((resolve) => setTimeout(resolve, n % 7));
      if (n % 10 === 0 && job.attempt === 1) throw new Error("first attempt fails");
      return n;
    },
  } as never;
  for (let worker = 0; worker < 2; worker++)
    await project.worker(handlers, { lease: "15s", concurrency: 10, grace: "5s" });
  const ids: string[] = [];
  let going = true;
  let n = 0;
  const producing = (async () => {
    while (going) {
      const payloads = Array.from({ length: 10 }, () => ({ n: n++ }));
      ids.push(...(await project.many(work, payloads)).map((job) => job.id));
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const stop = async (): Promise<void> => {
    going = false;
    await within(15_000, "the last enqueue to settle", producing);
  };
  return { project, ids, runs, stop };
}

async function assertAllOnce({ project, ids, runs }: Load): Promise<void> {
  await until("all to end", async () => (await project.raw.zcard(project.keys.done)) === ids.length, 15_000);
  expect(await project.raw.hlen(project.keys.jobs)).toBe(ids.length);
  expect(runs.size).toBe(ids.length);
  const wrong = [...runs].filter(([n, count]) => count !== (n % 10 === 0 ? 2 : 1));
  expect(wrong).toEqual([]);
}

describe("Redis", () => {
  test("killed and restarted from its append-only file: nothing is lost, nothing runs twice", async () => {
    const redis = await startRedis({ persist: true });
    const load = await startLoad(redis);
    for (let round = 0; round < 4; round++) {
      const before = load.ids.length;
      await until("some load", () => load.ids.length > before + 100);
      await redis.kill9();
      await redis.restart();
    }
    await load.stop();
    await assertAllOnce(load);
    expect(load.ids.length).toBeGreaterThan(400);
    process.stdout.write(`four restarts of Redis: ${load.ids.length} jobs, none lost, none twice\n`);
  }, 60_000);

  test("that forgets its scripts all the time: no caller hears of it", async () => {
    const redis = await startRedis();
    const load = await startLoad(redis);
    const flushes = await new Promise<number>((resolve, reject) => {
      let count = 0;
      const timer = setInterval(() => {
        load.project.raw.script("FLUSH").then(() => {
          count += 1;
          if (count < 40) return;
          clearInterval(timer);
          resolve(count);
        }, reject);
      }, 50);
    });
    await load.stop();
    await assertAllOnce(load);
    expect(flushes).toBe(40);
    expect(load.project.logger.messages("warn").filter((message) => message !== "attempt failed")).toEqual(
      [],
    );
  }, 60_000);

  test("that lost everything: producers and workers go on with what comes", async () => {
    const redis = await startRedis();
    const load = await startLoad(redis);
    await until("some load", () => load.ids.length > 200);
    await load.stop();
    await redis.kill9();
    await redis.restart();
    const job = await within(10_000, "an enqueue to succeed", load.project.enqueue(work, { n: 1_000_001 }));
    expect(await within(10_000, "the job to run", job.result())).toBe(1_000_001);
  }, 60_000);
});
