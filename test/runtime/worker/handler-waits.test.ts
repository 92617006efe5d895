// ctx.waitFor: a job rests until an event comes or its time is over, whenever that is, and goes on with what it heard.
import { describe, expect, test } from "vitest";
import type { Job } from "taskweft/generated-v1";
import { createRedactor, openInspector } from "../../../runtime/inspect/index.js";
import type { TaskContext } from "../../../runtime/worker/index.js";
import { Life } from "../../support/mortal-worker.js";
import { defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startRedis } from "../../support/redis.js";
import { signal, until } from "../../support/signal.js";
import { approver, listening, rests } from "../../support/waits.js";
import { endOf, outcomes, path, start, value, waitStep, workflow } from "../../support/workflow.js";

const redis = await startRedis();
const parts = { waitsFor: { "order:approved": ["orderId"] } };
const order = defineTask<Order>("order:work", {
  ...parts,
  timeoutMs: 60_000,
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 1, jitter: "none" } },
});
const one = defineTask<Order>("order:one", { ...parts, concurrency: { limit: 1 } });

interface Order {
  readonly orderId: number;
}
interface Approval extends Order {
  readonly by: string;
}
type Waits = { "order:approved": { event: Approval; by: "orderId" } };
type Context = TaskContext<Waits>;
type Work = (job: Job<Order>, ctx: Context) => unknown;

const setup = (): Project => setupProject({ redis, tasks: [order, one] as never });

async function running(work: Work): Promise<Project> {
  const project = setup();
  await project.worker({ "order:work": work } as never);
  return project;
}

const approval = (ctx: Context, orderId = 1, timeout: string | number = "1h", name = "approval") =>
  ctx.waitFor(name, "order:approved", { where: { orderId }, timeout: timeout as never });

describe("a handler that waits", () => {
  test("rests without a slot, a worker or an attempt, and goes on with the event", async () => {
    const calls: string[] = [];
    const project = setup();
    const first = await project.worker(
      {
        "order:work": async (job: Job<Order>, ctx: Context) => {
          calls.push(`attempt ${job.attempt}`);
          if (job.payload.orderId === 2) return "no wait";
          await ctx.step("ask", () => void calls.push("ask"));
          const event = await approval(ctx);
          return `${event?.by} ${event?.orderId}`;
        },
      } as never,
      { concurrency: 1 },
    );
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    expect(await project.raw.hexists(project.keys.active, job.id)).toBe(0);
    expect(await (await project.enqueue(order, { orderId: 2 })).result()).toBe("no wait");
    await first.stop();
    const emit = approver(project);
    expect((await emit({ orderId: 2, by: "nobody" })).heardBy).toEqual([]);
    expect(await emit({ orderId: 1, by: "Ünal\n" })).toMatchObject({ runs: [], heardBy: [job.id] });
    await project.worker({
      "order:work": async (_job: Job<Order>, ctx: Context) => {
        await ctx.step("ask", () => void calls.push("asked again"));
        return (await approval(ctx))?.by;
      },
    } as never);
    expect(await job.result()).toBe("Ünal\n");
    expect(calls).toEqual(["attempt 1", "ask", "attempt 1"]);
    expect(await project.kinds(job.id)).toEqual(["waited", "completed"]);
    expect(await project.run(job.id)).toMatchObject({ attempts: 1, crashes: 0 });
    expect(await project.raw.exists(project.keys.notes, project.keys.listeners)).toBe(0);
    expect(await project.raw.exists(project.keys.listenersExpiry)).toBe(0);
  });

  test("misses no event that is faster than it: it listens before a step begins", async () => {
    const project = setup();
    const emit = approver(project);
    const asked: unknown[] = [];
    // What the worker sends when it begins to listen takes a while.
    const life = new Life();
    let slow: Promise<void> | undefined;
    life.call = (_redis, name, pass) => (name === "evalsha" && slow !== undefined ? slow.then(pass) : pass());
    await project.worker(
      {
        "order:work": async (job: Job<Order>, ctx: Context) => {
          await ctx.step("steps are read", () => 1);
          slow = new Promise((resolve) => setTimeout(resolve, 30));
          const answer = approval(ctx);
          await ctx.step("ask", async () => {
            asked.push((await emit({ orderId: 1, by: "a fast one" })).heardBy);
          });
          return { by: (await answer)?.by, same: (await answer)?.by, attempt: job.attempt };
        },
      } as never,
      { redis: { connectionName: life.connectionName } },
    );
    const job = await project.enqueue(order, { orderId: 1 });
    expect(await job.result()).toEqual({ by: "a fast one", same: "a fast one", attempt: 1 });
    expect(asked).toEqual([[job.id]]);
    // It never had to rest.
    expect(await project.kinds(job.id)).toEqual(["completed"]);
  });

  test("does what it begins beside the wait before it rests", async () => {
    const done: string[] = [];
    const project = await running(async (_job, ctx) => {
      const [event] = await Promise.all([
        approval(ctx),
        (async () => {
          await ctx.step("one", () => void done.push("one"));
          await ctx.step("two", () => void done.push("two"));
        })(),
      ]);
      return event?.by;
    });
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    expect(done).toEqual(["one", "two"]);
    await approver(project)({ orderId: 1, by: "Ada" });
    expect(await job.result()).toBe("Ada");
    expect(done).toEqual(["one", "two"]);
  });

  test("does not let a sleep beside it begin anew", async () => {
    const project = await running(async (_job, ctx) => {
      const [, event] = await Promise.all([ctx.sleep("at least", "1h"), approval(ctx, 1, "2h")]);
      return event?.by;
    });
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    const steps = await project.raw.hget(project.keys.notes, job.id);
    expect(steps).toMatch(/^\["at least",\d+\]$/);
    const { due } = project.keys.queue("default");
    const dueAt = Number(await project.raw.zscore(due, job.id));
    expect(Math.abs(dueAt - (JSON.parse(steps ?? "") as [string, number])[1])).toBeLessThan(1000);
    expect((await approver(project)({ orderId: 1, by: "Ada" })).heardBy).toEqual([job.id]);
    expect(Number(await project.raw.zscore(due, job.id))).toBe(dueAt);
  });

  test("gets nothing when the time is over, for good", async () => {
    const late = signal();
    const project = await running(async (job, ctx) => {
      const event = await approval(ctx, 1, "80ms");
      if (job.attempt === 1) {
        await late.promise;
        throw new Error("again");
      }
      return event ?? "none came";
    });
    const startedAt = performance.now();
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    await until("its time to be over", async () => (await project.state(job.id)) === "active");
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(80);
    await until("it to be told", async () => (await listening(project, job.id)).length === 0);
    expect((await approver(project)({ orderId: 1, by: "too late" })).heardBy).toEqual([]);
    late.send();
    expect(await job.result()).toBe("none came");
  });

  test("keeps what it heard through failures behind it, and through the retry of a dead job", async () => {
    let broken = true;
    const project = await running(async (_job, ctx) => {
      const event = await approval(ctx);
      if (broken) throw new Error("behind the wait");
      return event?.by;
    });
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    await approver(project)({ orderId: 1, by: "Ada" });
    await expect(job.result()).rejects.toThrow(/behind the wait/);
    broken = false;
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      await inspector.retry(job.id);
    } finally {
      inspector.close();
    }
    expect(await job.result()).toBe("Ada");
  });

  test("with several waits at once goes on when all are there, and each hears one event once", async () => {
    const project = await running(async (_job, ctx) => {
      const both = await Promise.all([approval(ctx, 1, "1h", "one"), approval(ctx, 2, "1h", "two")]);
      const later = await approval(ctx, 1, "1h", "later");
      return [...both, later].map((event) => event?.by);
    });
    const emit = approver(project);
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    expect((await emit({ orderId: 2, by: "two" }, "e2")).heardBy).toEqual([job.id]);
    expect((await emit({ orderId: 1, by: "one" }, "e1")).heardBy).toEqual([job.id]);
    await until("it to wait again", async () => (await listening(project, job.id)).includes("later"));
    await rests(project, job.id);
    // Sent again: the producer has not heard that it was told.
    expect((await emit({ orderId: 1, by: "one" }, "e1")).heardBy).toEqual([]);
    expect((await emit({ orderId: 1, by: "three" }, "e3")).heardBy).toEqual([job.id]);
    expect(await job.result()).toEqual(["one", "two", "three"]);
  });

  test("is one of many that an event concerns, and runs of workflows are others", async () => {
    const project = await running(async (_job, ctx) => (await approval(ctx))?.by);
    const emit = approver(project, { waitFields: [["orderId"]], queues: [] });
    const jobs = await project.many(order, [{ orderId: 1 }, { orderId: 1 }]);
    for (const { id } of jobs) await rests(project, id);
    const field = ["orderId"];
    const wait = { event: "order:approved", field, equals: path("input", "id"), match: value(true) };
    const run = await start(project, workflow([waitStep("wait", [], wait)]), { id: 1 });
    const told = await emit({ orderId: 1, by: "all" });
    expect({ runs: told.runs, heardBy: [...told.heardBy].toSorted() }).toEqual({
      runs: [run.id],
      heardBy: jobs.map(({ id }) => id).toSorted(),
    });
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual(["all", "all"]);
    expect(await endOf(run)).toBe("completed");
    expect(await outcomes(project, run.id)).toEqual({ wait: "completed" });
  });

  test("gives its place in a limit back, and comes to the gate again", async () => {
    const project = setup();
    const goOn = signal();
    await project.worker({
      "order:one": async ({ payload: { orderId } }: Job<Order>, ctx: Context) => {
        if (orderId === 2) await goOn.promise;
        return orderId === 1 ? (await approval(ctx))?.by : "the other";
      },
    } as never);
    const first = await project.enqueue(one, { orderId: 1 });
    await rests(project, first.id);
    const other = await project.enqueue(one, { orderId: 2 });
    await until("the other to run", async () => (await project.state(other.id)) === "active");
    await approver(project)({ orderId: 1, by: "Ada" });
    await until("it to come to the gate", async () => (await project.raw.zcard(project.keys.waiting)) > 0);
    goOn.send();
    expect(await first.result()).toBe("Ada");
    expect(await other.result()).toBe("the other");
  });

  test("is woken by a retry, and waits again until the time that it had", async () => {
    const rounds: number[] = [];
    const project = await running(async (_job, ctx) => {
      rounds.push(1);
      return (await approval(ctx))?.by;
    });
    const job = await project.enqueue(order, { orderId: 1 });
    await rests(project, job.id);
    const before = await project.raw.zrange(project.keys.listenersExpiry, 0, "-1", "WITHSCORES");
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    try {
      await inspector.retry(job.id);
      await until("another round", () => rounds.length === 2);
      await rests(project, job.id);
      expect(await project.raw.zrange(project.keys.listenersExpiry, 0, "-1", "WITHSCORES")).toEqual(before);
      expect(await inspector.cancel(job.id)).toBe("cancelled");
      await inspector.remove(job.id);
    } finally {
      inspector.close();
    }
    expect((await approver(project)({ orderId: 1 })).heardBy).toEqual([]);
    expect(await project.raw.exists(project.keys.listeners, project.keys.listenersExpiry)).toBe(0);
  });
});

test("what it waits for, and nothing that is sensitive of what it heard, is shown", async () => {
  const project = await running(async ({ payload }, ctx) => {
    await ctx.step("prepared", () => 1);
    const event = await approval(ctx);
    ctx.log.info("approved", { by: event?.by });
    if (payload.orderId === 1) throw new Error(`${event?.by} is not known`);
  });
  const job = await project.enqueue(order, { orderId: 1 }, { maxRetries: 0 });
  await rests(project, job.id);
  const any = { type: "object" };
  const redactorOf = (events: [string, object][]) =>
    createRedactor(new Map([["order:work", { payload: any }]]), new Map(), new Map(events));
  const secret = { ...any, properties: { by: { type: "string", "x-sensitive": true } } };
  const redactor = redactorOf([["order:approved", { event: secret }]]);
  const open = (own: typeof redactor) =>
    openInspector({ url: redis.url, prefix: project.prefix, redactor: own });
  const [knowing, unknowing] = [open(redactor), open(redactorOf([]))];
  try {
    const { listensTo, timeline, dueAt } = await knowing.showJob(job.id);
    expect(listensTo).toEqual([
      { name: "approval", event: "order:approved", fields: ["orderId"], until: expect.any(Number) },
    ]);
    expect(Math.abs((listensTo?.[0]?.until ?? 0) - (dueAt ?? 0))).toBeLessThan(1000);
    expect(timeline.at(-1)).toMatchObject({ kind: "waited", wakeAt: listensTo?.[0]?.until });
    await approver(project)({ orderId: 1, by: "secret-person" });
    await expect(job.result()).rejects.toThrow(/is not known/);
    await until("its log", async () => (await knowing.showJob(job.id)).log !== undefined);
    for (const inspector of [knowing, unknowing]) {
      const details = await inspector.showJob(job.id);
      const { jobs } = await inspector.listJobs({ state: "dead" });
      expect(JSON.stringify([details, jobs])).not.toContain("secret-person");
      expect(details.steps?.map(({ name }) => name)).toHaveLength(2);
      expect(details.listensTo).toBeUndefined();
    }
    expect((await knowing.showJob(job.id)).lastError).toBe("Error: *** is not known");
  } finally {
    knowing.close();
    unknowing.close();
  }
});

describe("is refused", () => {
  type Loose = { waitFor(...of: unknown[]): PromiseLike<unknown> };
  const of =
    (event: string, options: object) =>
    (ctx: Context): PromiseLike<unknown> =>
      (ctx as unknown as Loose).waitFor("w", event, options);
  const known = (options: object) =>
    of("order:approved", { where: { orderId: 1 }, timeout: "1h", ...options });
  const NO_VALUES = /OptionInvalid: where: expected text, a number or true or false for orderId, got/;

  test.each<[string, (ctx: Context) => PromiseLike<unknown>, RegExp]>([
    [
      "an event that the task does not declare",
      of("order:lost", {}),
      /OptionInvalid: event: expected an event of waitsFor of order:work \(one of order:approved\), got 'order:lost'/,
    ],
    ["no options", of("order:approved", undefined as never), NO_VALUES],
    ["no values", known({ where: undefined }), NO_VALUES],
    ["a field too few", known({ where: {} }), NO_VALUES],
    [
      "a field too many, without its value",
      known({ where: { orderId: 1, by: "x" } }),
      new RegExp(`${NO_VALUES.source} orderId: number, by: string$`),
    ],
    ["a value that is none", known({ where: { orderId: undefined } }), NO_VALUES],
    ["a value that is no plain one", known({ where: { orderId: ["x"] } }), NO_VALUES],
    ["no time", known({ timeout: undefined }), /OptionInvalid: timeout: expected a duration/],
    ["a time of nothing", known({ timeout: 0 }), /OptionInvalid: timeout: expected a duration longer than 0/],
    ["a name that is none", (ctx) => approval(ctx, 1, "1h", ""), /StepInvalid: the name of a step: expected/],
    [
      "a name that a step has",
      async (ctx) => {
        await ctx.step("approval", () => 1);
        return await approval(ctx);
      },
      /StepInvalid: this attempt has a step "approval" already/,
    ],
  ])("%s", async (_what, wait, message) => {
    const project = await running(async (_job, ctx) => await wait(ctx));
    const job = await project.enqueue(order, { orderId: 1 }, { maxRetries: 0 });
    expect((await rejection(job.result())).message).toMatch(message);
  });

  test("a step of that name that was no wait, of an earlier deploy", async () => {
    const project = await running(async (job, ctx) => {
      if (job.attempt === 1) {
        await ctx.step("approval", () => 7);
        throw new Error("the next attempt is another deploy's");
      }
      return await approval(ctx);
    });
    const job = await project.enqueue(order, { orderId: 1 });
    await expect(job.result()).rejects.toThrow(
      /StepInvalid: the wait "approval": this job has done a step of that name/,
    );
  });

  test("a step after a wait that is none, so that nobody is asked in vain", async () => {
    const asked: number[] = [];
    const project = await running(async (_job, ctx) => {
      void approval(ctx, 1, "1h", "");
      await ctx.step("ask", () => asked.push(1));
    });
    const job = await project.enqueue(order, { orderId: 1 }, { maxRetries: 0 });
    await expect(job.result()).rejects.toThrow(/StepInvalid: the name of a step/);
    expect(asked).toEqual([]);
  });
});
