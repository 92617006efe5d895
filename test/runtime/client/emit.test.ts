// What a producer of events can rely on: one round trip, ids that make emitting again safe, and observers that do not touch each other.
import { beforeEach, describe, expect, type MockInstance, onTestFinished, test, vi } from "vitest";
import {
  type EmitFunction,
  EmitIncomplete,
  type EmitOptions,
  type EmitResult,
  PayloadInvalid,
  PermanentError,
  type TaskweftError,
  createEmitFunction,
  defineAction,
  defineEvent,
  z,
} from "taskweft/generated-v1";
import { actionJobId } from "../../../runtime/client/index.js";
import type { ObserverDefinition } from "../../../runtime/definition/index.js";
import { JOB_ID_PATTERN } from "../../../runtime/definition/index.js";
import { openInspector } from "../../../runtime/inspect/index.js";
import { commandCalls, defineTask, type Project, rejection, setupProject } from "../../support/project.js";
import { startProxy } from "../../support/proxy.js";
import { startRedis } from "../../support/redis.js";
import { until, within } from "../../support/signal.js";

const redis = await startRedis();

interface OrderCreated {
  orderId: string;
  total: number;
}

const QUEUES = [
  { name: "default", weight: 1 },
  { name: "low", weight: 1 },
  { name: "narrow", weight: 1, maxPending: 1 },
];
const webhook = defineTask<{ orderId: string }>("webhook:deliver", {
  payload: z.strictObject({ orderId: z.string() }),
});
const email = defineTask<{ to: string }>("email:send", {
  payload: z.strictObject({ to: z.string().min(3) }) as z.ZodType<{ to: string }>,
});
const ledger = defineTask<{ orderId: string }>("ledger:book", {
  idempotency: { ttlMs: 60_000, onDead: "release" },
  idempotencyKey: (payload) => payload.orderId,
});
const setup = (): Project =>
  setupProject({ redis, tasks: [webhook, email, ledger] as never, queues: QUEUES });

type Rule = ObserverDefinition<OrderCreated>;
const deliver: Rule = {
  name: "deliver",
  actions: [defineAction(webhook, (event) => ({ orderId: event.orderId }))],
};
const bigOrder: Rule = { ...deliver, name: "big-order", when: (event) => event.total >= 1000 };
const mail: Rule = { name: "mail", actions: [defineAction(email, (event) => ({ to: event.orderId }))] };

function emitter(project: Project, ...observers: readonly Rule[]) {
  const emit: EmitFunction<OrderCreated, Record<string, string>> = createEmitFunction(
    defineEvent<OrderCreated>({
      name: "order:created",
      payload: () => z.strictObject({ orderId: z.string(), total: z.number() }),
      observers,
    }),
    project.queues,
  );
  return (event: OrderCreated, options: EmitOptions = {}): Promise<EmitResult> =>
    emit(event, { client: project.client, ...options });
}

let warnings: MockInstance<typeof process.emitWarning>;
beforeEach(() => void (warnings = vi.spyOn(process, "emitWarning").mockImplementation(() => {})));

describe("an event", () => {
  test("becomes the jobs of the observers whose conditions hold, in one call", async () => {
    const project = setup();
    const both: Rule = { ...bigOrder, name: "two", actions: [...deliver.actions, ...mail.actions] };
    const emit = emitter(project, bigOrder, deliver, both);
    const small = await emit({ orderId: "A-1", total: 5 });
    expect(small.jobs.map(({ observer }) => observer)).toEqual(["deliver"]);
    const before = await commandCalls(project.raw, "evalsha");
    const big = await emit({ orderId: "A-2", total: 1000 });
    expect(await commandCalls(project.raw, "evalsha")).toBe(before + 1);
    expect(big.jobs.map(({ observer, task }) => [observer, task])).toEqual([
      ["big-order", "webhook:deliver"],
      ["deliver", "webhook:deliver"],
      ["two", "webhook:deliver"],
      ["two", "email:send"],
    ]);
    expect(big.failed).toEqual([]);
    expect(big.jobs.map(({ id }) => id)).toEqual(
      ["big-order.1", "deliver.1", "two.1", "two.2"].map((end) => `${big.id}..${end}`),
    );
    const seen: unknown[] = [];
    const note = (job: { payload: unknown }): number => seen.push(job.payload);
    await project.worker({ "webhook:deliver": note, "email:send": note });
    await until("all jobs to run", () => seen.length === 5);
    expect(seen).toContainEqual({ to: "A-2" });
  });

  test("emitted again under its id adds no second job, also after the first has run", async () => {
    const project = setup();
    const emit = emitter(project, deliver, mail);
    const event = { orderId: "A-1", total: 1 };
    const first = await emit(event, { id: "order-A-1" });
    let ran = 0;
    await project.worker({ "webhook:deliver": () => void ran++, "email:send": () => void ran++ });
    await until("both to run", () => ran === 2);
    const again = await emit(event, { id: "order-A-1" });
    expect(again.jobs).toEqual(
      first.jobs.map((job) => ({ ...job, deduplicated: true, outcome: "existing" })),
    );
    expect(first.jobs.every((job) => !job.deduplicated)).toBe(true);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(2);
  });

  test("gives each action its delay, its queue and its task's idempotency key", async () => {
    const project = setup();
    const [action] = deliver.actions;
    const emit = emitter(
      project,
      { name: "later", actions: [{ ...action!, delayMs: 60_000 }] },
      { name: "elsewhere", actions: [{ ...action!, queue: "low" }] },
      {
        name: "once",
        actions: [defineAction(ledger, (event: OrderCreated) => ({ orderId: event.orderId }))],
      },
    );
    const { jobs } = await emit({ orderId: "A-1", total: 1 });
    expect(await project.state(jobs[0]!.id)).toBe("due");
    expect(await project.raw.lrange(project.keys.queue("low").pending, 0, -1)).toEqual([jobs[1]!.id]);
    const again = await emit({ orderId: "A-1", total: 2 });
    // Another event, the same key: the job that is there, not a second one.
    expect(again.jobs[2]).toMatchObject({ id: jobs[2]!.id, deduplicated: true });
  });

  test("is checked before Redis is touched", async () => {
    const emit = emitter(setup(), deliver);
    const error = await rejection(emit({ orderId: "A-1" } as OrderCreated));
    expect(error).toBeInstanceOf(PayloadInvalid);
    expect(error.message).toContain("the payload of order:created does not fit its schema\n  total: ");
    expect(error).toMatchObject({ operation: "emit" });
    await expect(emit({ orderId: "A-1", total: 1 }, { id: "a b" })).rejects.toMatchObject({
      code: "OptionInvalid",
    });
    await expect(emit({ orderId: "A-1", total: 1 }, { durability: "some" as never })).rejects.toMatchObject({
      code: "OptionInvalid",
    });
  });

  test("without observers is an event that nobody hears", async () => {
    const emit = emitter(setup());
    expect(await emit({ orderId: "A-1", total: 1 })).toMatchObject({ jobs: [], failed: [] });
  });
});

describe("an observer that fails", () => {
  test("by its condition or its payload does not keep the others from hearing, and is reported and warned of", async () => {
    const broken: Rule = {
      ...deliver,
      name: "broken",
      when: () => {
        throw new TypeError("no such thing");
      },
    };
    const { jobs, failed } = await emitter(setup(), broken, deliver)({ orderId: "A-1", total: 1 });
    expect(jobs.map(({ observer }) => observer)).toEqual(["deliver"]);
    expect(failed).toEqual([{ observer: "broken", error: new TypeError("no such thing") }]);
    expect(warnings).toHaveBeenCalledWith(
      expect.stringMatching(
        /^the observer broken did not follow the event .*: its condition failed: no such/,
      ),
      { type: "TaskweftWarning", code: "OBSERVER_FAILED" },
    );
  });

  test("because its task refuses the payload leaves a dead job, where people look", async () => {
    const project = setup();
    const { jobs, failed } = await emitter(project, deliver, mail)({ orderId: "A", total: 1 });
    expect(jobs.map(({ observer }) => observer)).toEqual(["deliver"]);
    expect(failed).toMatchObject([{ observer: "mail", task: "email:send" }]);
    expect(failed[0]?.error).toBeInstanceOf(PayloadInvalid);
    const id = failed[0]?.jobId ?? "";
    let ran = 0;
    await project.worker({ "webhook:deliver": () => void ran++, "email:send": () => void ran++ });
    await until("the job to be dead", async () => (await project.state(id)) === "dead");
    await until("the other to run", () => ran === 1);
    expect((await project.run(id)).events.at(-1)?.[4]).toContain("does not fit the schema");
    expect(warnings).not.toHaveBeenCalled();
  });

  test("later, in its handler, touches no other job", async () => {
    const project = setup();
    const { jobs } = await emitter(project, deliver, mail)({ orderId: "A-1", total: 1 });
    const handlers = {
      "webhook:deliver": () => {
        throw new PermanentError("gone");
      },
      "email:send": () => {},
    };
    await project.worker(handlers);
    const states = (): Promise<string[]> => Promise.all(jobs.map(({ id }) => project.state(id)));
    await until("both to end", async () => !(await states()).some((state) => /pending|active/.test(state)));
    expect(await states()).toEqual(["dead", "completed"]);
  });

  test("because its queue is full rejects the emit; the others are stored, and emitting again adds what is missing", async () => {
    const project = setup();
    const [action] = deliver.actions;
    const narrow: Rule = { name: "narrow", actions: [{ ...action!, queue: "narrow" }] };
    const emit = emitter(project, deliver, narrow);
    await emit({ orderId: "A-1", total: 1 });
    const event = { orderId: "A-2", total: 1 };
    const error = (await rejection(emit(event))) as EmitIncomplete;
    expect(error).toBeInstanceOf(EmitIncomplete);
    expect(error).toMatchObject({ code: "QueueFull", operation: "emit" });
    expect(error.message).toContain(
      "1 of 2 jobs of the event order:created are known to be stored, without narrow: ",
    );
    expect(error.result.jobs.map(({ observer }) => observer)).toEqual(["deliver"]);
    let ran = 0;
    await project.worker({ "webhook:deliver": () => void ran++ });
    await until("all to run", () => ran === 3);
    const { jobs } = await emit(event, { id: error.eventId });
    expect(jobs.map(({ observer, deduplicated }) => [observer, deduplicated])).toEqual([
      ["deliver", true],
      ["narrow", false],
    ]);
    await until("the last to run", () => ran === 4);
  });

  test("because Redis is silent rejects in time with the id, under which emitting again adds what is missing", async () => {
    const project = setup();
    const proxy = await startProxy(redis.port);
    const client = project.newClient({ url: proxy.url, deadline: "300ms" });
    const emit = emitter(project, deliver, mail);
    await emit({ orderId: "A-0", total: 1 }, { client });
    proxy.stall();
    const event = { orderId: "A-1", total: 1 };
    const error = (await within(
      5000,
      "the emit to settle",
      rejection(emit(event, { client })),
    )) as EmitIncomplete;
    expect(error).toMatchObject({ name: "EmitIncomplete", code: "OutcomeUnknown" });
    expect(error.jobId).toBe(`${error.eventId}..deliver.1`);
    expect(error.result).toMatchObject({
      id: error.eventId,
      jobs: [],
      failed: [{ observer: "deliver" }, { observer: "mail" }],
    });
    const { jobs } = await emit(event, { id: error.eventId });
    expect(jobs).toHaveLength(2);
    expect(await project.raw.hlen(project.keys.jobs)).toBe(4);
  });

  test("because the worker of a step is lost is made up for by a later deploy, whose tasks and observers are others", async () => {
    const maker = defineTask<{ orderId: string }>("order:make", {
      retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
    });
    const project = setupProject({ redis, tasks: [webhook, email, maker] as never, queues: QUEUES });
    const changed = defineTask<{ orderId: string }>("webhook:deliver", {
      hash: "bbbb0002",
      startWithinMs: 60_000,
    });
    const before = emitter(project, deliver);
    const after = emitter(project, mail, {
      name: "deliver",
      actions: [defineAction(changed, ({ orderId }) => ({ orderId }))],
    });
    await project.worker({
      "order:make": async (job, ctx) =>
        await ctx.step("created", async () => {
          const event = { orderId: "A-1", total: 1 };
          if (job.attempt > 1) return (await after(event, { id: ctx.idempotencyKey })).jobs;
          await before(event, { id: ctx.idempotencyKey });
          throw new Error("lost before the step is stored");
        }),
    });
    const made = await project.enqueue(maker, { orderId: "A-1" });
    expect(await made.result()).toMatchObject([
      { observer: "mail", deduplicated: false },
      { observer: "deliver", deduplicated: true },
    ]);
  });

  test("because the id belongs to another event is a conflict", async () => {
    const emit = emitter(setup(), deliver);
    await emit({ orderId: "A-1", total: 1 }, { id: "one" });
    await expect(emit({ orderId: "A-2", total: 1 }, { id: "one" })).rejects.toMatchObject({
      code: "IdConflict",
      message:
        "IdConflict: 0 of 1 jobs of the event order:created are known to be stored, without deliver: the job one..deliver.1 is there with another payload (of another event, or of other observers), or was deleted and still has its place in a queue; it is not made again. If it has to be, emit the event under another id.",
    });
  });

  test("because its id is taken does not hide that emitting again helps the others", async () => {
    const project = setup();
    const [action] = deliver.actions;
    const narrow: Rule = { name: "narrow", actions: [{ ...action!, queue: "narrow" }] };
    await project.enqueue(webhook, { orderId: "first" }, { queue: "narrow" });
    await emitter(project, deliver)({ orderId: "A-1", total: 1 }, { id: "three" });
    const both = emitter(project, deliver, narrow);
    const error = (await rejection(both({ orderId: "A-2", total: 1 }, { id: "three" }))) as EmitIncomplete;
    expect(error.result.failed.map((one) => (one.error as TaskweftError).code)).toEqual([
      "IdConflict",
      "QueueFull",
    ]);
    expect(error.code).toBe("QueueFull");
    expect(error.message).toMatch(/ Emit it again with { id: "three" }/);
  });

  test("because its job was deleted while it waited is a conflict, and does not say that it would help to emit again", async () => {
    const project = setup();
    const emit = emitter(project, deliver);
    await emit({ orderId: "A-1", total: 1 }, { id: "two" });
    const inspector = openInspector({ url: redis.url, prefix: project.prefix });
    onTestFinished(() => inspector.close());
    await inspector.remove("two..deliver.1");
    const error = await rejection(emit({ orderId: "A-1", total: 1 }, { id: "two" }));
    expect(error).toMatchObject({ code: "IdConflict", eventId: "two" });
    expect(error.message).toMatch(/or was deleted and still has its place in a queue/);
    expect(error.message).not.toMatch(/Emit it again/);
  });
});

test("ids of jobs name the event, the observer and the action, and stay ids when these are long", () => {
  expect(actionJobId("e1", "big-order", 2)).toBe("e1..big-order.2");
  const long = "x".repeat(128);
  const ids = [actionJobId(long, "a", 1), actionJobId(long, "a", 2), actionJobId(long, "b", 1)];
  expect(new Set(ids).size).toBe(3);
  for (const id of ids) expect(id).toMatch(JOB_ID_PATTERN);
});

test("an emit to 20 observers does not wait for handlers, however slow they are", async () => {
  const project = setup();
  const emit = emitter(
    project,
    ...Array.from({ length: 20 }, (_unused, n): Rule => ({ ...deliver, name: `deliver-${n}` })),
  );
  // Handlers that never end while events are emitted.
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const worker = await project.worker({ "webhook:deliver": () => held }, { concurrency: 5 });
  // The connection, the script and the code are warm in a server that has been up for a moment.
  for (let n = 0; n < 20; n++) await emit({ orderId: `W-${n}`, total: 1 });
  const times: number[] = [];
  for (let n = 0; n < 500; n++) {
    const from = performance.now();
    const { jobs } = await emit({ orderId: `A-${n}`, total: 1 });
    times.push(performance.now() - from);
    expect(jobs).toHaveLength(20);
  }
  release();
  times.sort((a, b) => a - b);
  const at = (share: number): string => times[Math.floor(times.length * share)]!.toFixed(2);
  process.stdout.write(`emit to 20 observers: median ${at(0.5)} ms, p99 ${at(0.99)} ms\n`);
  // Generous: what is measured here shares the machine with a whole test suite.
  expect(Number(at(0.5))).toBeLessThan(100);
  await worker.stop();
});
