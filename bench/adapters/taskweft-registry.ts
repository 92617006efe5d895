/** The handlers of the benchmark, one way or the other, and what a worker needs of them. */
import {
  createDefineBatchHandler,
  createDefineHandler,
  createDefineMiddleware,
  type Registry,
} from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import type { ConsumerOptions, Target } from "./adapter.js";
import { benchJobContract, queues, type Receipt, TASK_NAME } from "./taskweft-contract.js";

interface SingleTasks {
  [TASK_NAME]: { payload: BenchPayload; result: Receipt | void };
}
interface BatchTasks {
  [TASK_NAME]: { payload: BenchPayload; result: void; batch: true };
}

type OnJob = ConsumerOptions["onJob"];

export interface BenchRegistry {
  readonly registry: Registry;
  /** Lets go of what tells of jobs that ran elsewhere. */
  close(): void;
}

export async function benchRegistry(target: Target, onJob: OnJob): Promise<BenchRegistry> {
  if (target.features.includes("thread")) {
    const { threadRegistry } = await import("./taskweft-thread.js");
    return threadRegistry(benchJobContract(target), onJob);
  }
  const handler = handlerFor(target, onJob);
  const registry: Registry = {
    contracts: [benchJobContract(target)],
    queues,
    handlers: { [TASK_NAME]: async () => handler },
    ...(target.features.includes("middleware") && { middleware: async () => middleware }),
  };
  return { registry, close: () => undefined };
}

const middleware = createDefineMiddleware<SingleTasks>()((_job, _ctx, next) => next());

function handlerFor({ features }: Target, onJob: OnJob) {
  const defineHandler = createDefineHandler<SingleTasks>();
  if (features.includes("batch")) {
    return createDefineBatchHandler<BatchTasks>()(TASK_NAME, async (jobs) => {
      for (const job of jobs) await onJob(job.payload);
    });
  }
  if (features.includes("step")) {
    return defineHandler(TASK_NAME, async (job, ctx) => {
      await ctx.step("charge", () => ({ receiptId: job.payload.orderId }));
      await onJob(job.payload);
    });
  }
  if (features.includes("result")) {
    return defineHandler(TASK_NAME, async (job) => {
      await onJob(job.payload);
      return { receiptId: job.payload.orderId };
    });
  }
  return defineHandler(TASK_NAME, (job) => onJob(job.payload) as void);
}
