// How long finished jobs stay: by definition, by the worker's option, by the enqueue's own; and that they go when it is over.
import { describe, expect, test } from "vitest";
import { PermanentError } from "taskweft/generated-v1";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { until } from "../../support/signal.js";

const redis = await startRedis();
const kept = defineTask("kept:work");
const fleeting = defineTask("fleeting:work", { retention: { completedMs: 0, deadMs: 60_000 } });
const brief = defineTask("brief:work", { retention: { completedMs: 1, deadMs: 60_000 } });
const forgotten = defineTask("forgotten:work", { retention: { completedMs: 60_000, deadMs: 0 } });
const dying = defineTask("dying:work", { retention: { completedMs: 1, deadMs: 60_000 } });
const setup = (): Project =>
  setupProject({ redis, tasks: [kept, fleeting, brief, dying, forgotten] as never });

const die = (): never => {
  throw new PermanentError("no");
};
const handlers = {
  "brief:work": () => undefined,
  "dying:work": die,
  "fleeting:work": () => undefined,
  "forgotten:work": die,
  "kept:work": () => "result",
};

describe("a completed job", () => {
  test("is gone at once with all its traces where the definition keeps nothing", async () => {
    const project = setup();
    await project.worker(handlers);
    const { id } = await project.enqueue(fleeting, { n: 1 });
    await until("the job to be gone", async () => (await project.state(id)) === "gone");
    expect(await project.raw.hexists(project.keys.runs, id)).toBe(0);
    expect(await project.raw.zcard(project.keys.done)).toBe(0);
  });

  test("is kept as the worker says rather than the definition, and as the enqueue says rather than the worker", async () => {
    const project = setup();
    await project.worker(handlers, { retentionCompleted: 0 });
    const plain = await project.enqueue(kept, { n: 1 });
    const own = await project.enqueue(kept, { n: 2 }, { retention: { completed: "1h" } });
    expect(await own.result()).toBe("result");
    await until("the other to be gone", async () => (await project.state(plain.id)) === "gone");
    const [seconds] = await project.raw.time();
    const removal = Number(await project.raw.zscore(project.keys.done, own.id));
    expect(Math.abs(removal - Number(seconds) * 1000 - 3_600_000)).toBeLessThan(10_000);
  });

  test("is removed by the worker when its retention has ended; dead jobs and longer retentions stay", async () => {
    const project = setup();
    await project.worker(handlers);
    const short = await project.enqueue(brief, { n: 1 });
    const long = await project.enqueue(kept, { n: 2 });
    const dead = await project.enqueue(dying, { n: 3 });
    await rejection(dead.result());
    await long.result();
    await until("the sweep", async () => (await project.state(short.id)) === "gone", 40_000);
    expect(await project.raw.hexists(project.keys.runs, short.id)).toBe(0);
    expect(await project.state(long.id)).toBe("completed");
    expect(await project.state(dead.id)).toBe("dead");
  }, 60_000);
});

test.each(['"soon"', "-1", "1e300", "null"])(
  "a retention of %s in a record of another producer is none: the job ends as its definition says",
  async (ms) => {
    const project = setup();
    const retention = { completed: 1234, dead: 1234 };
    const done = await project.enqueue(kept, { n: 1 }, { retention });
    const dead = await project.enqueue(dying, { n: 2 }, { retention });
    for (const { id } of [done, dead]) {
      const record = (await project.raw.hget(project.keys.jobs, id)) ?? "";
      await project.raw.hset(project.keys.jobs, id, record.replaceAll(":1234", `:${ms}`));
    }
    await project.worker(handlers);
    expect(await done.result()).toBe("result");
    await rejection(dead.result());
    expect(Number(await project.raw.zscore(project.keys.dead, dead.id))).toBeGreaterThan(Date.now());
  },
);

describe("a dead job", () => {
  test("stays for its retention, and its record with it", async () => {
    const project = setup();
    await project.worker({ "kept:work": die });
    const job = await project.enqueue(kept, { n: 1 }, { retention: { dead: "2h" } });
    await rejection(job.result());
    const [seconds] = await project.raw.time();
    const removal = Number(await project.raw.zscore(project.keys.dead, job.id));
    expect(Math.abs(removal - Number(seconds) * 1000 - 7_200_000)).toBeLessThan(10_000);
    expect(await project.raw.hexists(project.keys.jobs, job.id)).toBe(1);
  });

  test("is gone at once where nothing is kept", async () => {
    const project = setup();
    await project.worker(handlers);
    const job = await project.enqueue(forgotten, { n: 1 });
    await expect(job.result()).rejects.toThrow(/^JobNotFound/);
    expect(await project.state(job.id)).toBe("gone");
  });
});
