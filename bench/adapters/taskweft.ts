/** taskweft as its users get it: the functions that generated code calls, from the built package. */
import { Redis } from "ioredis";
import { createClient, createEnqueueFunction, createWorker } from "taskweft/generated-v1";
import type { Adapter, Consumer, ConsumerOptions, Producer, Target } from "./adapter.js";
import { benchJobContract, queues } from "./taskweft-contract.js";
import { openOperator } from "./taskweft-operator.js";
import { openStarter } from "./taskweft-starter.js";
import { benchRegistry } from "./taskweft-registry.js";
import { redisUrl } from "./taskweft-url.js";

/** Keys of docs/protocol.md: every stored job, and those of them that are completed. */
const JOBS_KEY = "{weft:0}:jobs";
const DONE_KEY = "{weft:0}:done";

async function openProducer(target: Target): Promise<Producer> {
  const client = createClient({ url: redisUrl(target) });
  await client.ready();
  const enqueue = createEnqueueFunction(benchJobContract(target), queues);
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
  const handlers = await benchRegistry(target, options.onJob);
  const worker = createWorker(handlers.registry, {
    concurrency: options.concurrency,
    logger: failingLogger(options.onFailure),
    url: redisUrl(target),
    ...(target.features.includes("noClaimAhead") && { claimAhead: "0ms" }),
  });
  return {
    run() {
      worker.start().catch(options.onFailure);
    },
    async close() {
      await worker.stop();
      handlers.close();
    },
  };
}

/** No handler of the benchmark fails: what a worker warns of makes the sample void. */
function failingLogger(onFailure: (error: Error) => void) {
  const fail = (message: string, fields?: Readonly<Record<string, unknown>>) =>
    onFailure(new Error(`taskweft worker: ${message} ${JSON.stringify(fields ?? {})}`));
  const ignore = () => undefined;
  return { debug: ignore, error: fail, info: ignore, warn: fail };
}

export const taskweftAdapter: Adapter = { openProducer, openConsumer, openOperator, openStarter };
