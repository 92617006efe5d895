// Leases: who is gone loses its jobs soon, who comes back cannot write under the old lease, and no heartbeat is starved.
import { describe, expect, test } from "vitest";
import { heartbeatScript } from "../../../runtime/scripts/index.js";
import type { JobHandle } from "taskweft/generated-v1";
import type { Worker } from "../../../runtime/worker/index.js";
import { monitor } from "../../support/monitor.js";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { type TestProxy, startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { type Signal, signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const slow = defineTask("slow:work", { timeoutMs: 60_000 });
const quick = defineTask("quick:work");
const setup = (): Project => setupProject({ redis, tasks: [slow, quick] as never });

/** Lets one job after the other through an otherwise idle worker until `done` settles. */
async function trickle(project: Project, done: Promise<unknown>): Promise<number> {
  let over = false;
  const end = done.finally(() => (over = true));
  let count = 0;
  while (!over) {
    await (await project.enqueue(quick, { n: count })).result();
    count += 1;
  }
  await end;
  return count;
}

interface Outage {
  readonly project: Project;
  /** The first and the second of two workers that cannot reach Redis; each runs one job, and both leases have ended. */
  readonly links: readonly [TestProxy, TestProxy];
  readonly jobs: readonly JobHandle<unknown>[];
  /** Lets the handlers end. */
  readonly go: Signal;
  readonly ended: (worker: Worker) => Promise<boolean>;
  /** Settles when the worker has told Redis so many times that it is there. */
  readonly beats: (worker: Worker, count: number) => Promise<void>;
  readonly workers: readonly [Worker, Worker];
}

async function setupOutage(): Promise<Outage> {
  const project = setup();
  const links = [await startProxy(redis.port), await startProxy(redis.port)] as const;
  const go = signal();
  const handlers = { "slow:work": () => go.promise };
  const options = { concurrency: 1, lease: "2s" } as const;
  const first = await project.worker(handlers, { ...options, url: links[0].url });
  const second = await project.worker(handlers, { ...options, url: links[1].url });
  const jobs = [await project.enqueue(slow, { n: 1 }), await project.enqueue(slow, { n: 2 })];
  const { active, leases } = project.keys;
  await until("both to have a job", async () => (await project.raw.hlen(active)) === 3);
  const endOf = async ({ name }: Worker): Promise<number> => Number(await project.raw.zscore(leases, name));
  const ended = async (worker: Worker): Promise<boolean> =>
    (await endOf(worker)) < Number((await project.raw.time())[0]) * 1000;
  for (const link of links) link.stall();
  await until("both leases to end", async () => (await ended(first)) && (await ended(second)), 6000);
  const beats = async (worker: Worker, count: number): Promise<void> => {
    for (let beat = 0; beat < count; beat++) {
      const before = await endOf(worker);
      await until("a heartbeat", async () => (await endOf(worker)) > before, 4000);
    }
  };
  return { project, links, jobs, go, ended, beats, workers: [first, second] };
}

describe("an outage of Redis is not held against workers that come back later", () => {
  test("than another of them", async () => {
    const { project, links, jobs, go, ended, beats, workers } = await setupOutage();
    links[0].heal();
    await until("the first to be back", async () => !(await ended(workers[0])));
    await beats(workers[0], 2);
    links[1].heal();
    await beats(workers[1], 1);
    go.send();
    await Promise.all(jobs.map((job) => job.result()));
    for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["completed"]);
  });

  test("than one that starts only now", async () => {
    const { project, links, jobs, go, beats, workers } = await setupOutage();
    const fresh = await project.worker({ "slow:work": () => go.promise }, { lease: "2s" });
    await beats(fresh, 2);
    for (const link of links) link.heal();
    for (const worker of workers) await beats(worker, 1);
    go.send();
    await Promise.all(jobs.map((job) => job.result()));
    for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["completed"]);
  });

  test("but if they do not, their jobs are taken over", async () => {
    const { project, links, jobs } = await setupOutage();
    await project.worker({ "slow:work": () => "taken over" }, { lease: "2s" });
    for (const job of jobs) expect(await within(8000, "the job", job.result())).toBe("taken over");
    for (const { id } of jobs) expect(await project.kinds(id)).toEqual(["crashed", "completed"]);
    for (const link of links) link.heal();
  });
});

describe("a worker that is gone", () => {
  test("loses its job to one that is kept busy by a trickle of short jobs", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const [started, taken] = [signal(), signal<string>()];
    await project.worker(
      {
        "slow:work": async (_job, ctx) => {
          started.send();
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        },
      },
      { url: proxy.url },
    );
    const job = await project.enqueue(slow, { n: 1 });
    await started.promise;
    proxy.stall();
    await project.worker({
      "slow:work": (j) => taken.send(j.id),
      // Not done in the same turn: the worker must turn busy and idle again with every job.
      "quick:work": () => new Promise((resolve) => setImmediate(resolve)),
    });
    const count = await within(6000, "the job to be taken over", trickle(project, taken.promise));
    expect(count).toBeGreaterThan(5);
    expect(await job.result()).toBeUndefined();
    const run = await project.run(job.id);
    expect([run.attempts, run.crashes]).toEqual([1, 1]);
    expect(run.events.map((event) => event[1])).toEqual(["crashed", "completed"]);
    proxy.heal();
  });

  test("and comes back is refused: the record of the one that took over stands", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const [started, release, aborted] = [signal(), signal(), signal<unknown>()];
    const zombie = await project.worker(
      {
        "slow:work": async (_job, ctx) => {
          ctx.signal.addEventListener("abort", () => aborted.send(ctx.signal.reason));
          started.send();
          await release.promise;
          return "from the zombie";
        },
        "quick:work": () => "back at work",
      },
      { url: proxy.url, concurrency: 2 },
    );
    const nameBefore = zombie.name;
    const job = await project.enqueue(slow, { n: 1 });
    await started.promise;
    proxy.stall();
    release.send();
    const other = await project.worker({ "slow:work": () => "from the other" });
    expect(await within(6000, "the job to be taken over", job.result())).toBe("from the other");
    const record = await project.raw.hget(project.keys.runs, job.id);
    await other.stop();
    proxy.heal();
    const next = await project.enqueue(quick, { n: 2 });
    expect(await within(6000, "the zombie to work again", next.result())).toBe("back at work");
    expect(zombie.name).not.toBe(nameBefore);
    expect(project.logger.messages("info")).toContain("worker goes on under a new name");
    expect(await project.raw.hget(project.keys.runs, job.id)).toBe(record);
    expect(project.logger.messages("error").join()).toMatch(/the lease of this worker ended/);
    expect(await project.raw.zscore(project.keys.leases, nameBefore)).toBeNull();
  });

  test("tells a handler that still runs: the signal says LeaseLost, and its failure is not recorded", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const [started, aborted] = [signal(), signal<unknown>()];
    await project.worker(
      {
        "slow:work": async (_job, ctx) => {
          started.send();
          await new Promise<void>((_resolve, reject) => {
            ctx.signal.addEventListener("abort", () => {
              aborted.send(ctx.signal.reason);
              reject(ctx.signal.reason as Error);
            });
          });
        },
      },
      { url: proxy.url },
    );
    const job = await project.enqueue(slow, { n: 1 });
    await started.promise;
    proxy.stall();
    await project.worker({ "slow:work": () => "taken over" });
    expect(await within(6000, "the job to be taken over", job.result())).toBe("taken over");
    proxy.heal();
    expect(((await within(4000, "the handler to hear", aborted.promise)) as Error).name).toBe("LeaseLost");
    expect(await project.kinds(job.id)).toEqual(["crashed", "completed"]);
  });
});

describe("heartbeats", () => {
  test("keep their pace when the worker turns busy and idle all the time", async () => {
    const project = setup();
    let beats = 0;
    const watching = await monitor(redis.port, (command) => {
      if (command[1] === heartbeatScript.sha && command.join(" ").includes(project.prefix)) beats += 1;
    });
    await project.worker({ "quick:work": () => new Promise((resolve) => setImmediate(resolve)) });
    const end = performance.now() + 3000;
    await trickle(
      project,
      until("3 s to pass", () => performance.now() > end),
    );
    watching.close();
    // Every 333 ms with a lease of 1 s: neither starved nor multiplied.
    expect(beats).toBeGreaterThanOrEqual(5);
    expect(beats).toBeLessThanOrEqual(14);
  });

  test("keep a lease while Redis stands still for less than the lease: nothing runs twice", async () => {
    const server = await startRedis();
    const project = setupProject({ redis: server, tasks: [slow] as never });
    const [started, release] = [signal(), signal()];
    let runs = 0;
    const handlers = {
      "slow:work": async () => {
        runs += 1;
        started.send();
        await release.promise;
      },
    };
    await project.worker(handlers, { lease: "3s" });
    await project.worker(handlers, { lease: "3s" });
    const job = await project.enqueue(slow, { n: 1 });
    await started.promise;
    server.pause();
    const end = performance.now() + 1200;
    await until("1.2 s to pass", () => performance.now() > end);
    server.resume();
    const healthy = performance.now() + 2500;
    await until("more than the rest of the lease to pass", () => performance.now() > healthy);
    release.send();
    await job.result();
    expect(runs).toBe(1);
    expect(await project.kinds(job.id)).toEqual(["completed"]);
  });
});
