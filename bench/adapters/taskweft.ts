/** taskweft as its users get it: the functions that generated code calls, from the built package. */
import { Redis } from "ioredis";
import {
  createClient,
  createDefineHandler,
  createEnqueueFunction,
  createWorker,
  type HandlerImports,
  type Registry,
} from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import type { Adapter, Consumer, ConsumerOptions, Producer, Target } from "./adapter.js";
import { benchJobContract, queues, TASK_NAME } from "./taskweft-contract.js";

interface TaskMap {
  [TASK_NAME]: { payload: BenchPayload; result: void };
}
const defineHandler = createDefineHandler<TaskMap>();

/** Keys of docs/protocol.md: every stored job, and those of them that are completed. */
const JOBS_KEY = "{weft:0}:jobs";
const DONE_KEY = "{weft:0}:done";

async function openProducer(target: Target): Promise<Producer> {
  const client = createClient({ url: redisUrl(target) });
  await client.ready();
  const enqueue = createEnqueueFunction(benchJobContract(target.keepCompleted), queues);
  const options = { client };
  return {
    add: (payload) => enqueue(payload, options),
    addMany: (payloads) => enqueue.many(payloads, options),
    addDueAt: (payloads, dueAt) => enqueue.many(payloads, { client, runAt: dueAt }),
    countUnfinished: () => countUnfinished(target),
    close: () => client.close(),
  };
}

async function countUnfinished(target: Target): Promise<number> {
  const redis = new Redis(redisUrl(target));
  try {
    const [stored, done] = await Promise.all([redis.hlen(JOBS_KEY), redis.zcard(DONE_KEY)]);
    return stored - done;
  } finally {
    redis.disconnect();
  }
}

async function openConsumer(target: Target, options: ConsumerOptions): Promise<Consumer> {
  const contract = benchJobContract(target.keepCompleted);
  const handler = defineHandler(TASK_NAME, (job) => options.onJob(job.payload));
  const handlers: HandlerImports<TaskMap> = { [TASK_NAME]: () => Promise.resolve(handler) };
  const registry: Registry = { contracts: [contract], queues, handlers };
  const worker = createWorker(registry, {
    concurrency: options.concurrency,
    logger: failingLogger(options.onFailure),
    url: redisUrl(target),
  });
  return {
    run() {
      worker.start().catch(options.onFailure);
    },
    close: () => worker.stop(),
  };
}

/** No handler of the benchmark fails: what a worker warns of makes the sample void. */
function failingLogger(onFailure: (error: Error) => void) {
  const fail = (message: string, fields?: Readonly<Record<string, unknown>>) =>
    onFailure(new Error(`taskweft worker: ${message} ${JSON.stringify(fields ?? {})}`));
  const ignore = () => undefined;
  return { debug: ignore, error: fail, info: ignore, warn: fail };
}

function redisUrl(target: Target): string {
  return `redis://${target.host}:${target.port}`;
}

export const taskweftAdapter: Adapter = { openProducer, openConsumer };
