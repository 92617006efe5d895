// Sleeping handlers: the attempt ends unspent, the job is due again at its time, and goes on behind the sleep.
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { ServerClock } from "../../../runtime/connection/index.js";
import type { Duration } from "../../../runtime/definition/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { parseSteps } from "../../../runtime/protocol/index.js";
import { type Project, defineTask, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";

const redis = await startRedis();
const order = defineTask("order:work", {
  timeoutMs: 60_000,
  startWithinMs: 60_000,
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
});
const setup = (): Project => setupProject({ redis, tasks: [order] as never });

async function isAsleep(project: Project, id: string): Promise<boolean> {
  return (await project.raw.zscore(project.keys.queue("default").due, id)) !== null;
}

describe("a handler that sleeps", () => {
  test("ends its attempt unspent, and goes on when the time has come", async () => {
    const project = setup();
    const calls: string[] = [];
    await project.worker({
      "order:work": async (job, ctx) => {
        calls.push(`attempt ${job.attempt}`);
        await ctx.step("charge", () => void calls.push("charge"));
        await ctx.sleep("cool", "60ms");
        await ctx.step("ship", () => void calls.push("ship"));
        return "shipped";
      },
    });
    const startedAt = performance.now();
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result()).toBe("shipped");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(60);
    expect(calls).toEqual(["attempt 1", "charge", "attempt 1", "ship"]);
    expect(await project.kinds(job.id)).toEqual(["slept", "completed"]);
    expect((await project.run(job.id)).attempts).toBe(1);
    expect(await project.raw.exists(project.keys.notes)).toBe(0);
  });

  test("may sleep twice until the same time, when its worker wakes before it by its own clock", async () => {
    const project = setup();
    const stoodAt = Date.now();
    let starts = 0;
    const clock = vi.spyOn(ServerClock.prototype, "now");
    clock.mockImplementation(() => (starts < 3 ? stoodAt : Date.now()));
    onTestFinished(() => clock.mockRestore());
    await project.worker({
      "order:work": async (_job, ctx) => {
        starts += 1;
        await ctx.sleep("cool", "30ms");
        return "rested";
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result({ timeout: "10s" })).toBe("rested");
    expect(starts).toBe(3);
  });

  test("holds no slot meanwhile, is scheduled for its time, and can be cancelled", async () => {
    const project = setup();
    await project.worker(
      {
        "order:work": async (job: { payload: { n: number } }, ctx) => {
          if (job.payload.n === 1) await ctx.sleep("long", "1h");
          return job.payload.n;
        },
      },
      { concurrency: 1 },
    );
    const sleeper = await project.enqueue(order, { n: 1 });
    await until("it to sleep", () => isAsleep(project, sleeper.id));
    expect(await (await project.enqueue(order, { n: 2 })).result()).toBe(2);
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      const { state, timeline } = await inspector.showJob(sleeper.id);
      expect(state).toBe("scheduled");
      const slept = timeline.find((event) => event.kind === "slept");
      expect((slept?.wakeAt ?? 0) - (slept?.at ?? 0)).toBeGreaterThan(3_590_000);
      expect(await inspector.cancel(sleeper.id)).toBe("cancelled");
    } finally {
      inspector.close();
    }
    await expect(sleeper.result()).rejects.toThrow(/cancelled/);
  });

  test("sleeps once: a failure behind it does not start it anew, and attempts count as ever", async () => {
    const project = setup();
    const attempts: number[] = [];
    await project.worker({
      "order:work": async (job, ctx) => {
        await ctx.sleep("first", 20);
        await ctx.sleep("second", new Date(Date.now() + 20));
        attempts.push(job.attempt);
        if (job.attempt === 1) throw new Error("behind the sleep");
        return "done";
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result()).toBe("done");
    expect(attempts).toEqual([1, 2]);
    // Of two sleeps in a row the last stays on record.
    expect(await project.kinds(job.id)).toEqual(["slept", "failed", "completed"]);
  });

  test("counts several sleeps at once from the same moment", async () => {
    const project = setup();
    await project.worker({
      "order:work": async (_job, ctx) => {
        await Promise.all([ctx.sleep("one", "1h"), ctx.sleep("two", "2h")]);
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    await until("it to sleep", () => isAsleep(project, job.id));
    const steps = parseSteps(await project.raw.hget(project.keys.notes, job.id));
    expect(Number(steps.get("two")) - Number(steps.get("one"))).toBeCloseTo(3_600_000, -3);
  });

  test("lets steps end that it started beside the sleep, and does not repeat them", async () => {
    const project = setup();
    const [asleep, sent] = [signal(), signal()];
    let sends = 0;
    let wasAborted = false;
    await project.worker({
      "order:work": async (_job, ctx) => {
        const sending = ctx.step("send", async () => {
          sends += 1;
          await sent.promise;
          wasAborted = ctx.signal.aborted;
        });
        await Promise.all([sending, ctx.sleep("nap", "500ms")]).finally(() => asleep.send());
        return sends;
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    await asleep.promise;
    // The handler has ended by then.
    for (let turn = 0; turn < 5; turn += 1) await project.raw.ping();
    sent.send();
    expect(await job.result({ timeout: "5s" })).toBe(1);
    expect([sends, wasAborted]).toEqual([1, false]);
    expect(await project.kinds(job.id)).toEqual(["slept", "completed"]);
  });

  test("stops a step beside the sleep that does not end in the time of the attempt", async () => {
    const project = setup();
    const stopped = signal<unknown>();
    await project.worker({
      "order:work": async (_job, ctx) => {
        const hanging = ctx.step("hang", async () => {
          ctx.signal.addEventListener("abort", () => stopped.send(ctx.signal.reason));
          await new Promise(() => undefined);
        });
        await Promise.all([hanging, ctx.sleep("nap", "1h")]);
      },
    });
    const job = await project.enqueue(order, { n: 1 }, { timeout: "100ms" });
    await until("it to sleep", () => isAsleep(project, job.id));
    expect(await stopped.promise).toMatchObject({ name: "TimeoutExceeded" });
    expect(await project.kinds(job.id)).toEqual(["slept"]);
  });

  test("may sleep inside of a step, which runs again behind the sleep", async () => {
    const project = setup();
    let rounds = 0;
    await project.worker({
      "order:work": async (_job, ctx) =>
        await ctx.step("outer", async () => {
          rounds += 1;
          await ctx.sleep("nap", "20ms");
          return rounds;
        }),
    });
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result({ timeout: "5s" })).toBe(2);
    expect(await project.kinds(job.id)).toEqual(["slept", "completed"]);
  });

  test("goes on in the next process when its worker stops meanwhile", async () => {
    const project = setup();
    const handlers = {
      "order:work": async (_job: unknown, ctx: { sleep(name: string, time: Duration): Promise<void> }) => {
        await ctx.sleep("nap", "300ms");
        return "woken";
      },
    };
    const first = await project.worker(handlers);
    const job = await project.enqueue(order, { n: 1 });
    await until("it to sleep", () => isAsleep(project, job.id));
    await first.stop();
    await project.worker(handlers);
    expect(await job.result()).toBe("woken");
    expect((await project.run(job.id)).crashes).toBe(0);
  });

  test("sleeps although it lets the error not pass, and does nothing more", async () => {
    const project = setup();
    const refused = signal<unknown>();
    let rounds = 0;
    await project.worker({
      "order:work": async (_job, ctx) => {
        rounds += 1;
        await ctx.sleep("nap", "500ms").catch(() => undefined);
        if (ctx.signal.aborted) refused.send(await rejection(ctx.step("too early", () => 1)));
        return rounds;
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    expect(await job.result()).toBe(2);
    expect(await refused.promise).toMatchObject({ name: "Suspended" });
  });
});

describe("is refused", () => {
  test.each<[string, (ctx: { sleep(name: string, time: never): Promise<void> }) => Promise<void>, RegExp]>([
    ["a name that is none", (ctx) => ctx.sleep("", 1 as never), /StepInvalid: the name of a step/],
    [
      "a time that is none",
      (ctx) => ctx.sleep("nap", "soon" as never),
      /OptionInvalid: sleep: expected a dur/,
    ],
    ["a date that is none", (ctx) => ctx.sleep("nap", new Date(Number.NaN) as never), /OptionInvalid: sleep/],
  ])("%s", async (_what, call, problem) => {
    const project = setup();
    await project.worker({ "order:work": (_job, ctx) => call(ctx as never) });
    const job = await project.enqueue(order, { n: 1 }, { maxRetries: 0 });
    await expect(job.result()).rejects.toThrow(problem);
  });

  test("the name of a step that is done", async () => {
    const project = setup();
    await project.worker({
      "order:work": async (job, ctx) => {
        if (job.attempt === 1) {
          await ctx.step("nap", () => "a step");
          throw new Error("again");
        }
        await ctx.sleep("nap", 5);
      },
    });
    const job = await project.enqueue(order, { n: 1 });
    await expect(job.result()).rejects.toThrow(/which was no sleep/);
  });
});
