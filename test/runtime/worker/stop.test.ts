// Graceful stop: what is inside the grace finishes, the rest goes back unspent and runs elsewhere at once, nothing stays open.
import { describe, expect, test } from "vitest";
import { type Project, defineTask, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { signal, until, within } from "../../support/signal.js";

const redis = await startRedis();
const work = defineTask("some:work", { timeoutMs: 60_000 });
const setup = (): Project => setupProject({ redis, tasks: [work] as never });

/** Connections of the project's workers that Redis knows. */
async function connections(project: Project): Promise<number> {
  const list = (await project.raw.client("LIST")) as string;
  return list.split("\n").filter((line) => /name=taskweft-(worker|waker)/.test(line)).length;
}

describe("stop()", () => {
  test("lets jobs inside the grace finish and records them", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    const worker = await project.worker(
      {
        "some:work": async () => {
          started.send();
          await go.promise;
          return "finished";
        },
      },
      { grace: "10s" },
    );
    const job = await project.enqueue(work, { n: 1 });
    await started.promise;
    const stopping = worker.stop();
    expect(worker.stop()).toBe(stopping);
    go.send();
    await within(3000, "the worker to stop", stopping);
    expect(await job.result()).toBe("finished");
    expect(await project.raw.zcard(project.keys.leases)).toBe(0);
    expect(await project.raw.hlen(project.keys.workers)).toBe(0);
    expect(await connections(project)).toBe(0);
  });

  test("aborts what runs longer, hands it back unspent, and another worker runs it at once", async () => {
    const project = setup();
    const started = signal();
    let reason: unknown;
    const worker = await project.worker(
      {
        "some:work": async (_job, ctx) => {
          started.send();
          await new Promise<void>((_resolve, reject) => {
            ctx.signal.addEventListener("abort", () => {
              reason = ctx.signal.reason;
              reject(ctx.signal.reason as Error);
            });
          });
        },
      },
      { grace: "50ms" },
    );
    const job = await project.enqueue(work, { n: 1 });
    await started.promise;
    let attempt = 0;
    await project.worker({
      "some:work": (j) => {
        attempt = j.attempt;
        return "elsewhere";
      },
    });
    await within(3000, "the worker to stop", worker.stop());
    expect((reason as Error).name).toBe("ShuttingDown");
    expect(await within(2000, "the job to run elsewhere", job.result())).toBe("elsewhere");
    expect(attempt).toBe(1);
    const run = await project.run(job.id);
    expect([run.attempts, run.crashes]).toEqual([1, 0]);
    expect(run.events.map((event) => event[1])).toEqual(["completed"]);
  });

  test("gives up on a handler that ignores its signal; the job is not lost", async () => {
    const project = setup();
    const started = signal();
    const worker = await project.worker({
      "some:work": () => {
        started.send();
        return new Promise(() => undefined);
      },
    });
    const job = await project.enqueue(work, { n: 1 });
    await started.promise;
    await within(4000, "the worker to stop", worker.stop());
    expect(await project.state(job.id)).toBe("pending");
    await project.worker({ "some:work": () => "later" });
    expect(await job.result()).toBe("later");
  });

  test("hands claimed but unstarted jobs back at once, during the grace", async () => {
    const project = setup();
    const [started, go] = [signal(), signal()];
    const handles = await project.many(
      work,
      Array.from({ length: 400 }, (_unused, n) => ({ n })),
    );
    let ran = 0;
    const worker = await project.worker(
      {
        "some:work": async () => {
          ran += 1;
          // Short runs first, so that the worker claims ahead; then one that hangs.
          if (ran === 200) {
            started.send();
            await go.promise;
          }
        },
      },
      { concurrency: 1, grace: "20s", claimAhead: "1s" },
    );
    await started.promise;
    const stopping = worker.stop();
    await project.worker({ "some:work": () => undefined });
    await until("all others to end", async () => (await project.raw.zcard(project.keys.done)) === 399);
    go.send();
    await within(3000, "the worker to stop", stopping);
    await Promise.all(handles.map((handle) => handle.result()));
    expect(await project.raw.zcard(project.keys.done)).toBe(400);
    for (const { id } of handles) expect(await project.kinds(id)).toEqual(["completed"]);
  });

  test("again and again under load loses nothing and runs nothing twice", async () => {
    const project = setup();
    const runs = new Map<string, number>();
    const handlers = {
      "some:work": async (job: { id: string }) => {
        runs.set(job.id, (runs.get(job.id) ?? 0) + 1);
        await new Promise((resolve) => setImmediate(resolve));
      },
    } as never;
    const handles = await project.many(
      work,
      Array.from({ length: 3000 }, (_unused, n) => ({ n })),
    );
    await project.worker(handlers, { concurrency: 2 });
    for (let round = 0; round < 15; round++) {
      const before = runs.size;
      const worker = await project.worker(handlers, { concurrency: 5, grace: "5s" });
      await until("some progress", () => runs.size >= Math.min(3000, before + 20));
      await within(5000, "the worker to stop", worker.stop());
    }
    await Promise.all(handles.map((handle) => handle.result()));
    expect(runs.size).toBe(3000);
    expect([...runs.values()].filter((count) => count !== 1)).toEqual([]);
  });

  test("before start() and during start() leaves nothing open and claims nothing", async () => {
    const project = setup();
    const job = await project.enqueue(work, { n: 1 });
    const never = project.newWorker({ "some:work": () => "ran" });
    await within(3000, "the worker to stop", never.stop());
    const early = project.newWorker({ "some:work": () => "ran" });
    const starting = early.start().catch(() => undefined);
    await within(3000, "the worker to stop", early.stop());
    await within(3000, "start() to settle", starting);
    await until("no connection to be left", async () => (await connections(project)) === 0, 2000);
    expect(await project.state(job.id)).toBe("pending");
    expect(await project.raw.zcard(project.keys.leases)).toBe(0);
  });

  test("ends although Redis does not answer", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const started = signal();
    const worker = await project.worker(
      {
        "some:work": async (_job, ctx) => {
          started.send();
          await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        },
      },
      { url: proxy.url },
    );
    const job = await project.enqueue(work, { n: 1 });
    await started.promise;
    proxy.stall();
    await within(8000, "the worker to stop", worker.stop());
    expect(project.logger.messages("error").at(-1)).toMatch(/worker stopped without Redis/);
    const lines = project.logger.lines.length;
    await project.worker({ "some:work": () => "recovered" });
    expect(await within(4000, "the lease to end", job.result())).toBe("recovered");
    // The stopped worker is silent: no heartbeat, no retry goes on in the background.
    const later = project.logger.lines.slice(lines).map((line) => line.message);
    expect(later.filter((message) => /heartbeat|writing|Redis refused/.test(message))).toEqual([]);
  });
});
