// An idle worker starts at once what becomes ready, however it becomes ready; the slow poll is only a net.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Connection } from "../../../runtime/connection/index.js";
import { retry } from "../../../runtime/scripts/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { type Project, commandCalls, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { type Signal, signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const quick = defineTask("quick:work");
const flaky = defineTask("flaky:work", {
  retry: { maxRetries: 200, backoff: { type: "fixed", delayMs: 3, jitter: "none" } },
});
const setup = (): Project => setupProject({ redis, tasks: [quick, flaky] as never });

/** Sorted copy's element at `part` of its length. */
function quantile(values: readonly number[], part: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? NaN;
}

/** Until the worker sleeps in its blocking pop. */
async function asleep(project: Project, workers = 1): Promise<void> {
  await until("all workers to sleep", async () => {
    const info = await project.raw.info("clients");
    return Number(/blocked_clients:(\d+)/.exec(info)?.[1]) >= workers;
  });
}

describe("an idle worker", () => {
  test("starts a new job within milliseconds, without asking in between", async () => {
    const project = setup();
    const started = new Map<number, Signal<number>>();
    await project.worker({
      "quick:work": (job: { payload: { n: number } }) => started.get(job.payload.n)?.send(performance.now()),
    } as never);
    const pickups: number[] = [];
    for (let n = 0; n < 60; n++) {
      await asleep(project);
      const start = signal<number>();
      started.set(n, start);
      const sentAt = performance.now();
      await project.enqueue(quick, { n });
      pickups.push((await start.promise) - sentAt);
    }
    const figures = {
      medianMs: quantile(pickups, 0.5),
      p95Ms: quantile(pickups, 0.95),
      maxMs: Math.max(...pickups),
    };
    process.stdout.write(`idle pickup: ${JSON.stringify(figures)}\n`);
    expect(figures.medianMs).toBeLessThan(50);
    // The poll comes after 5 s: one lost hint would show here.
    expect(figures.maxMs).toBeLessThan(3000);
  });

  test("asks nothing of Redis while there is nothing to do", async () => {
    const project = setup();
    await project.worker({ "quick:work": () => undefined }, { lease: "15s" });
    await asleep(project);
    const before = await commandCalls(project.raw, "evalsha");
    await asleep(project);
    const end = performance.now() + 300;
    await until("300 ms to pass", () => performance.now() > end);
    expect((await commandCalls(project.raw, "evalsha")) - before).toBeLessThanOrEqual(1);
  });

  test("starts retries of milliseconds one after the other without missing one", async () => {
    const project = setup();
    let last = performance.now();
    const gaps: number[] = [];
    await project.worker({
      "flaky:work": () => {
        const now = performance.now();
        gaps.push(now - last);
        last = now;
        throw new Error("again");
      },
    });
    const job = await project.enqueue(flaky, { n: 1 });
    await rejection(job.result({ timeout: "50s" }));
    expect(gaps).toHaveLength(201);
    expect(Math.max(...gaps)).toBeLessThan(3000);
  });

  test("never starts a delayed job early, and starts it soon", async () => {
    const project = setup();
    const redisNow = async (): Promise<number> => {
      const [seconds, micros] = await project.raw.time();
      return Number(seconds) * 1000 + Number(micros) / 1000;
    };
    const offset = performance.now() - (await redisNow());
    const late: number[] = [];
    const dueAt = new Map<number, number>();
    await project.worker(
      {
        "quick:work": (job: { payload: { n: number } }) => {
          late.push(performance.now() - offset - (dueAt.get(job.payload.n) ?? 0));
        },
      } as never,
      { concurrency: 100 },
    );
    const base = await redisNow();
    const handles = await Promise.all(
      Array.from({ length: 300 }, (_unused, n) => {
        const runAt = Math.round(base + 100 + ((n * 7919) % 1500));
        dueAt.set(n, runAt);
        return project.enqueue(quick, { n }, { runAt });
      }),
    );
    await Promise.all(handles.map((handle) => handle.result()));
    const figures = {
      earliestMs: Math.min(...late),
      medianMs: quantile(late, 0.5),
      p99Ms: quantile(late, 0.99),
    };
    process.stdout.write(`delayed jobs, lateness: ${JSON.stringify(figures)}\n`);
    // The two clocks are read one after the other: a few ms of doubt, never more.
    expect(figures.earliestMs).toBeGreaterThan(-20);
    expect(figures.p99Ms).toBeLessThan(2000);
  });

  test("hears of a job that is due earlier than the one it sleeps for", async () => {
    const project = setup();
    await project.worker({ "quick:work": () => undefined });
    await project.enqueue(quick, { n: 1 }, { delay: "1h" });
    await asleep(project);
    const soon = await project.enqueue(quick, { n: 2 }, { delay: "50ms" });
    expect(await within(4000, "the nearer job to run", soon.result())).toBeUndefined();
  });

  test("has asked for a job behind its pop, but not while it runs one that may block it", async () => {
    const project = setup();
    const [started, release] = [signal(), signal()];
    await project.worker({
      "quick:work": () => undefined,
      "flaky:work": async () => {
        started.send();
        await release.promise;
      },
    });
    const state = () => stateOfPop(project);
    await until("it to ask", async () => (await state()) === "asks");
    await (await project.enqueue(quick, { n: 1 })).result();
    await until("it to ask again", async () => (await state()) === "asks");
    const job = await project.enqueue(flaky, { n: 2 });
    await started.promise;
    await until("it only to wait", async () => (await state()) === "waits");
    release.send();
    await job.result();
    await (await project.enqueue(quick, { n: 3 })).result();
    await until("it to ask once more", async () => (await state()) === "asks");
    expect(await state()).toBe("asks");
  });

  test("lets no job that comes with its hint overtake those whose texts are read", async () => {
    const project = setup();
    const [started, release] = [signal(), signal()];
    const ran: number[] = [];
    await project.worker(
      {
        "quick:work": (job: { payload: { n: number } }) => void ran.push(job.payload.n),
        "flaky:work": async () => {
          started.send();
          await release.promise;
        },
      } as never,
      { concurrency: 50 },
    );
    await project.enqueue(flaky, { n: 0 });
    await started.promise;
    const { wake } = project.keys.queue("default");
    const readRecords = vi.spyOn(Connection.prototype, "readRecords");
    onTestFinished(() => readRecords.mockRestore());
    readRecords.mockImplementationOnce(async function (this: Connection, ...given) {
      // It ends, and its worker looks around while it does not know yet what it has claimed.
      release.send();
      await until("it to sleep", async () => (await stateOfPop(project)) !== "runs");
      await project.enqueue(quick, { n: 40 });
      await until("the hint to be heard", async () => (await project.raw.exists(wake)) === 0);
      return await this.readRecords(...given);
    });
    await project.many(
      quick,
      Array.from({ length: 40 }, (_unused, n) => ({ n })),
    );
    await until("all to run", () => ran.length === 41);
    expect(readRecords.mock.calls[0]?.[1]).toHaveLength(40);
    expect(ran).toEqual(Array.from({ length: 41 }, (_unused, n) => n));
  });

  test("does not ask behind its pop while a job comes due that may block it", async () => {
    const project = setup();
    await project.worker({ "quick:work": () => undefined });
    await until("it to ask", async () => (await stateOfPop(project)) === "asks");
    const soon = await project.enqueue(quick, { n: 1 }, { delay: "10s" });
    await until("it only to wait", async () => (await stateOfPop(project)) === "waits");
    expect(await stateOfPop(project)).toBe("waits");
    await soon.cancel();
  });

  test("finds a job by itself of which nobody has told it", async () => {
    const project = setup();
    await project.worker({ "quick:work": () => "found" }, { lease: "2s" });
    await asleep(project);
    const { paused } = project.keys;
    await project.raw.hset(paused, "default", "1");
    const job = await project.enqueue(quick, { n: 1 });
    await until("the hint to be popped", async () => {
      return (await project.raw.exists(project.keys.queue("default").wake)) === 0;
    });
    await asleep(project);
    // Without a hint, as nobody should.
    await project.raw.hdel(paused, "default");
    expect(await within(3000, "the job to be found", job.result())).toBe("found");
  });

  test("costs less than a command a second", async () => {
    const project = setup();
    // The lease and all intervals are a tenth of what they are by default.
    await project.worker({ "quick:work": () => undefined }, { lease: "1500ms" });
    await asleep(project);
    await project.raw.config("RESETSTAT");
    const end = performance.now() + 2700;
    await until("four heartbeats' time to pass", () => performance.now() > end);
    const stats = await project.raw.info("commandstats");
    const counts = [...stats.matchAll(/cmdstat_(?!info|config|client|select|hello)\S+:calls=(\d+)/g)].map(
      ([, n]) => Number(n),
    );
    const beats = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
    expect(beats).toBeGreaterThan(0);
    expect(beats).toBeLessThanOrEqual(5);
    // Five of each heartbeat, and nothing else: at 6.75 s, 0.74 a second.
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(5 * beats);
  });

  test("hears of a dead job that is retried by hand", async () => {
    const project = setup();
    let calls = 0;
    await project.worker({
      "quick:work": () => {
        calls += 1;
        if (calls === 1) throw new Error("first");
        return "second";
      },
    });
    const job = await project.enqueue(quick, { n: 1 });
    await rejection(job.result());
    await asleep(project);
    const connection = new Connection({ url: redis.url }, "test");
    await retry(connection, { keys: project.keys, id: job.id, queue: "default" });
    connection.disconnect();
    await until("the job to complete", async () => (await project.state(job.id)) === "completed", 1500);
    expect(await project.kinds(job.id)).toEqual(["failed", "retried", "completed"]);
  });
});

describe("several workers", () => {
  test("a hint is not swallowed by a worker that is full while another one is idle", async () => {
    const project = setup();
    for (let round = 0; round < 4; round++) {
      const [holdStarted, release] = [signal<string>(), signal()];
      const workers = await Promise.all(
        ["a", "b"].map((name) =>
          project.worker(
            {
              "flaky:work": async () => {
                holdStarted.send(name);
                await release.promise;
              },
              "quick:work": () => name,
            },
            { concurrency: 1 },
          ),
        ),
      );
      await asleep(project, 2);
      // A delayed job: the worker that takes it wakes by its own clock, and its blocking pop goes on.
      const hold = await project.enqueue(flaky, { n: 1 }, { delay: "30ms" });
      const busy = await holdStarted.promise;
      await asleep(project, 1);
      for (let n = 0; n < 3; n++) {
        const job = await project.enqueue(quick, { n });
        const by = await within(4000, "the idle worker to take the job", job.result());
        expect(by).not.toBe(busy);
      }
      release.send();
      await hold.result();
      await Promise.all(workers.map((worker) => worker.stop()));
    }
  });
});

describe("a paused queue", () => {
  test("is not claimed from while others are, and resume wakes the worker at once", async () => {
    const project = setupProject({
      redis,
      tasks: [quick, flaky] as never,
      queues: [
        { name: "default", weight: 1 },
        { name: "side", weight: 1 },
      ],
    });
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    onTestFinished(() => inspector.close());
    const held = await project.many(quick, [{ n: 1 }, { n: 2 }]);
    await inspector.pauseQueue("default");
    const ran: string[] = [];
    await project.worker({ "quick:work": (job) => void ran.push(job.id) });
    const side = await project.enqueue(quick, { n: 3 }, { queue: "side" });
    await side.result();
    await asleep(project);
    expect(ran).toEqual([side.id]);
    expect(await project.raw.llen(project.keys.queue("default").pending)).toBe(2);
    await inspector.resumeQueue("default");
    await within(4000, "the held jobs to run", Promise.all(held.map((job) => job.result())));
  });
});

/** `asks`: a claim stands behind the pop; what a blocked connection has sent stays in its buffer. `runs`: there is no pop. */
async function stateOfPop({ raw }: Project): Promise<"asks" | "runs" | "waits"> {
  const clients = String(await raw.client("LIST"));
  const [, bytes] = /name=taskweft-waker .* flags=b .* qbuf=(\d+)/.exec(clients) ?? [];
  if (bytes === undefined) return "runs";
  return Number(bytes) > 0 ? "asks" : "waits";
}
