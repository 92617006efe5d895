/** Bee-Queue as it is fastest: no events, no jobs held in memory, `saveAll` for many, completed jobs removed. */
import type { BenchPayload } from "../payload.js";
import type { Adapter, Consumer, ConsumerOptions, Operator, Producer, Target } from "./adapter.js";
import { loadPeer } from "./peer-modules.js";
import { QUEUE_NAME } from "./queue-name.js";

interface BeeJob {
  save(): Promise<unknown>;
  delayUntil(dueAt: number): BeeJob;
}
interface BeeQueue {
  on(event: "error", listener: (error: Error) => void): void;
  ready(): Promise<unknown>;
  createJob(data: BenchPayload): BeeJob;
  saveAll(jobs: readonly BeeJob[]): Promise<Map<BeeJob, Error>>;
  process(concurrency: number, handler: (job: { data: BenchPayload }) => Promise<void>): void;
  checkHealth(): Promise<{ waiting: number; active: number; delayed: number; failed: number }>;
  getJobs(type: "waiting", page: { start: number; end: number }): Promise<readonly unknown[]>;
  destroy(): Promise<unknown>;
  close(timeoutMs: number): Promise<void>;
}
type BeeModule = new (name: string, settings: object) => BeeQueue;

const CLOSE_TIMEOUT_MS = 30_000;

async function openQueue(target: Target, isWorker: boolean): Promise<BeeQueue> {
  const Queue = loadPeer("bee-queue") as BeeModule;
  const queue = new Queue(QUEUE_NAME, {
    activateDelayedJobs: isWorker,
    getEvents: false,
    isWorker,
    redis: { host: target.host, port: target.port },
    removeOnSuccess: !target.keepCompleted,
    sendEvents: false,
    storeJobs: false,
  });
  await queue.ready();
  return queue;
}

async function openProducer(target: Target): Promise<Producer> {
  const queue = await openQueue(target, false);
  return {
    add: (payload) => queue.createJob(payload).save(),
    addMany: (payloads) =>
      saveAll(
        queue,
        payloads.map((payload) => queue.createJob(payload)),
      ),
    addDueAt: (payloads, dueAt) =>
      saveAll(
        queue,
        payloads.map((payload) => queue.createJob(payload).delayUntil(dueAt)),
      ),
    async countUnfinished() {
      const health = await queue.checkHealth();
      return health.waiting + health.active + health.delayed + health.failed;
    },
    close: () => queue.close(CLOSE_TIMEOUT_MS),
  };
}

async function saveAll(queue: BeeQueue, jobs: readonly BeeJob[]): Promise<void> {
  const failures = await queue.saveAll(jobs);
  const [first] = failures.values();
  if (first !== undefined) throw first;
}

async function openConsumer(target: Target, options: ConsumerOptions): Promise<Consumer> {
  const queue = await openQueue(target, true);
  queue.on("error", options.onFailure);
  return {
    run: () => queue.process(options.concurrency, async (job) => options.onJob(job.data)),
    close: () => queue.close(CLOSE_TIMEOUT_MS),
  };
}

/** Bee-Queue cannot remove what waits; `destroy` removes all that the queue has. */
async function openOperator(target: Target): Promise<Operator> {
  const queue = await openQueue(target, false);
  return {
    count: async () => (await queue.checkHealth()).waiting,
    list: async (most) => (await queue.getJobs("waiting", { start: 0, end: most - 1 })).length,
    purge: async () => void (await queue.destroy()),
    close: () => queue.close(CLOSE_TIMEOUT_MS),
  };
}

export const beeAdapter: Adapter = { openProducer, openConsumer, openOperator };
