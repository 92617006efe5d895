// A registry of isolated tasks, as generated code makes one: the test imports it, and so do the threads and processes.
import { isMainThread, threadId } from "node:worker_threads";
// By path: what `taskweft/...` means differs between vitest and a thread of it.
import { createEnqueueFunction, createStartFunction, isolatedIn } from "../../../runtime/generated-v1.js";
import type { WorkflowDefinition } from "../../../runtime/definition/index.js";
import {
  Cancelled,
  DeclaredError,
  type Job,
  type Middleware,
  PermanentError,
  StepInvalid,
  type TaskContext,
} from "../../../runtime/index.js";
import { ANYTHING, defineTask } from "../../support/task.js";

export interface Order {
  readonly do: string;
  readonly ms?: number;
  readonly secret?: string;
}

const parts = {
  sensitive: [["secret"]],
  retry: { maxRetries: 1, backoff: { type: "fixed", delayMs: 0, jitter: "none" } },
  errors: { CardDeclined: { retry: "never" } },
  waitsFor: { "order:approved": ["orderId"] },
} as const;
export const THREAD = defineTask<Order>("some:thread", { ...parts, isolate: { in: "thread" } });
export const PROCESS = defineTask<Order>("some:process", { ...parts, isolate: { in: "process" } });
const small = { ...parts, queue: "small", errors: { HandlerCrashed: { retry: "never" } } } as const;
const limits = { memoryMb: 96, most: 1 };
export const SMALL_THREAD = defineTask<Order>("small:thread", {
  ...small,
  isolate: { in: "thread", ...limits },
});
export const SMALL_PROCESS = defineTask<Order>("small:process", {
  ...small,
  isolate: { in: "process", ...limits },
});
export const NORMAL = defineTask<Order>("some:normal");
/** A workflow of one such job. */
export const FLOW: WorkflowDefinition = {
  name: "some:flow",
  hash: "0f0f0f0f",
  queue: "default",
  keepMs: 60_000,
  steps: [
    {
      name: "only",
      needs: [],
      job: { task: NORMAL.name, queue: NORMAL.queue, hash: NORMAL.hash, payload: ["value", { do: "where" }] },
    },
  ],
};
export const QUEUES = [
  { name: "default", weight: 1 },
  { name: "small", weight: 1 },
];

class CardDeclined extends DeclaredError {
  override readonly name = "CardDeclined";
}

class Final extends PermanentError {
  override readonly name = "Final";
}

const where = (): string => `${process.pid}/${isMainThread ? "main" : threadId}`;

function computeFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

type Waits = { "order:approved": { event: { orderId: string; by: string }; by: "orderId" } };
type Work = (job: Job<Order>, ctx: TaskContext<Waits>) => unknown;

const WORKS: Readonly<Record<string, Work>> = {
  where,
  "seen by layers": () => (globalThis as { seen?: unknown }).seen,
  job: (job, ctx) => ({ ...job, key: ctx.idempotencyKey }),
  compute: ({ payload }) => computeFor(payload.ms ?? 0),
  rest: ({ payload }) => new Promise((resolve) => setTimeout(resolve, payload.ms)),
  "loop for ever": () => {
    for (;;);
  },
  prints: async () => {
    process.stdout.write("printed\n");
    await new Promise((resolve) => setTimeout(resolve, 50));
  },
  "log for ever": (_job, ctx) => {
    for (;;) ctx.log.debug("a line");
  },
  "loop when told to stop": async (_job, ctx) => {
    ctx.progress(1);
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    for (;;);
  },
  "wait for a signal": async (_job, ctx) => {
    ctx.progress(1);
    await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
    return { name: (ctx.signal.reason as Error).name, cancelled: ctx.signal.reason instanceof Cancelled };
  },
  "exit at first": ({ attempt }) => (attempt === 1 ? process.exit(3) : attempt),
  "throw later": async () => {
    setTimeout(() => {
      throw new RangeError("from a timer");
    });
    await new Promise(() => undefined);
  },
  "fill the memory": () => {
    const kept: unknown[] = [];
    for (;;) kept.push(Array.from({ length: 1000 }, (_, index) => ({ index })));
  },
  "segmentation fault": () => process.kill(process.pid, "SIGSEGV"),
  declined: () => {
    throw new CardDeclined("no money");
  },
  permanent: () => {
    throw new Final("never");
  },
  "no JSON": () => 10n,
  steps: async (job, ctx) => {
    const first = await ctx.step("first", () => ({ pid: process.pid, at: job.attempt, none: undefined }));
    await ctx.step("nothing", () => undefined);
    const own = new RangeError("own");
    const caught = await ctx
      .step("fails", () => {
        throw own;
      })
      .catch((error: unknown) => error === own);
    if (job.attempt === 1) throw new Error("again");
    const unfit = await ctx.step("unfit", () => 10n).catch((error: unknown) => error);
    return { first, caught, unfit: unfit instanceof StepInvalid && unfit.message };
  },
  "logs later": ({ payload }, ctx) => {
    ctx.log.warn(`at once ${payload.secret}`);
    setTimeout(() => ctx.log.warn("later", { secret: payload.secret }));
  },
  notes: (_job, ctx) => {
    ctx.log.warn("look", { error: new RangeError("here"), object: { n: 1 }, text: Symbol("s") });
    ctx.progress({ rows: 3 });
    return new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
  },
  sleeps: async (job, ctx) => {
    const before = await ctx.step("before", () => process.hrtime.bigint().toString());
    await ctx.sleep("a little", "50ms");
    return { before, attempt: job.attempt };
  },
  "sleeps beside a step": async (_job, ctx) => {
    const place = globalThis as { sends?: number };
    const send = async (): Promise<number> => {
      place.sends = (place.sends ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return place.sends;
    };
    const both = Promise.all([ctx.step("send", send), ctx.sleep("a little", "300ms")]);
    const [sends] = await both.catch((cause: unknown) => {
      throw new Error("wrapped", { cause });
    });
    return sends;
  },
  waits: async (job, ctx) => {
    const where = { orderId: job.id };
    const answer = ctx.waitFor("approval", "order:approved", { where, timeout: "1h" });
    const asked = await ctx.step("ask", () => process.hrtime.bigint().toString());
    const vain = await ctx.waitFor("vain", "order:approved", {
      where: { orderId: "other" },
      timeout: "20ms",
    });
    const { by } = (await answer) ?? {};
    return { asked, by, vain: vain ?? "none came" };
  },
  "waits for what is none": async (_job, ctx) =>
    await ctx.waitFor("w", "order:approved", { where: {} as never, timeout: "1h" }),
  "what cannot be sent": async (_job, ctx) => {
    const of = async (work: () => PromiseLike<unknown>): Promise<string> => {
      try {
        return String(await work());
      } catch (error) {
        return (error as Error).message;
      }
    };
    const nothing = Symbol("s") as never;
    const where = { orderId: () => 1 } as never;
    return [
      await of(() => ctx.step(nothing, () => 1)),
      await of(() => ctx.sleep("s", nothing)),
      await of(() => ctx.waitFor("w", "order:approved", { where, timeout: "1h" })),
      await of(() => ctx.waitFor(nothing, "order:approved", { where: { orderId: "o" }, timeout: "1h" })),
    ];
  },
  spawns: async (_job, ctx) =>
    await ctx.spawn("child", createEnqueueFunction(NORMAL, QUEUES), { do: "where" }),
  "starts a run": async () => {
    const startIt = createStartFunction({ definition: FLOW, input: () => ANYTHING }, QUEUES);
    await startIt({});
  },
  "leaves a wait and a step behind": (job, ctx) => {
    void ctx.waitFor("w", "order:approved", { where: { orderId: job.id }, timeout: "1h" });
    void ctx.step("left", () => undefined);
  },
  "counts its steps": async (_job, ctx) => {
    let runs = 0;
    ctx.log.info("counts");
    const rest = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, 600));
    await Promise.all([
      ctx.step("one", rest),
      ctx.step("two", async () => {
        runs += 1;
        await rest();
      }),
    ]);
    return runs;
  },
  "goes on after its end": (_job, ctx) => {
    setTimeout(() => ctx.progress(99), 20);
    void ctx.step("too slow", () => new Promise((resolve) => setTimeout(resolve, 40)));
  },
};

const handler: Work = (job, ctx) => WORKS[job.payload.do]?.(job, ctx);

const layer: Middleware = async (job, _ctx, next) => {
  (globalThis as { seen?: unknown }).seen = job.task;
  await next();
};

const defined = (name: string) => async () => ({ name, handler: handler as never });

export const TASKS = [THREAD, PROCESS, SMALL_THREAD, SMALL_PROCESS, NORMAL];

export const registry = isolatedIn(import.meta.url, {
  contracts: TASKS,
  queues: QUEUES,
  handlers: Object.fromEntries(TASKS.map(({ name }) => [name, defined(name)])),
  middleware: async () => ({ layers: [layer] }),
});
