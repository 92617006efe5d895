/**
 * BullMQ as it is fastest here: plain ioredis without auto-pipelining (which costs it 30 to 55 %), completed jobs removed,
 * no retry options, `addBulk` for many.
 */
import type { BenchPayload } from "../payload.js";
import type {
  Adapter,
  Consumer,
  ConsumerOptions,
  FlowShape,
  Operator,
  Producer,
  Starter,
  Target,
} from "./adapter.js";
import { loadPeer } from "./peer-modules.js";
import { QUEUE_NAME } from "./queue-name.js";

interface JobOptions {
  readonly removeOnComplete?: boolean;
  readonly delay?: number;
  readonly timestamp?: number;
}
interface BullQueue {
  waitUntilReady(): Promise<unknown>;
  add(name: string, data: BenchPayload, options: JobOptions): Promise<unknown>;
  addBulk(jobs: readonly { name: string; data: BenchPayload; opts: JobOptions }[]): Promise<unknown>;
  getJobCounts(...states: string[]): Promise<Record<string, number>>;
  getJobs(states: readonly string[], start: number, end: number): Promise<readonly unknown[]>;
  obliterate(options: { force: boolean }): Promise<void>;
  close(): Promise<void>;
}
interface BullWorker {
  on(event: "error", listener: (error: Error) => void): void;
  waitUntilReady(): Promise<unknown>;
  run(): Promise<void>;
  close(): Promise<void>;
}
interface FlowJob {
  readonly name: string;
  readonly queueName: string;
  readonly data: BenchPayload;
  readonly opts: JobOptions;
  /** They run before it. */
  readonly children: readonly FlowJob[];
}
interface BullFlowProducer {
  waitUntilReady(): Promise<unknown>;
  add(flow: FlowJob): Promise<unknown>;
  close(): Promise<void>;
}
interface BullModule {
  FlowProducer: new (options: object) => BullFlowProducer;
  Queue: new (name: string, options: object) => BullQueue;
  Worker: new (
    name: string,
    process: (job: { data: BenchPayload }) => Promise<void>,
    options: object,
  ) => BullWorker;
}

const JOB_NAME = "job";
const UNFINISHED_STATES = ["waiting", "prioritized", "delayed", "active", "failed", "paused"];

async function openQueue(target: Target): Promise<BullQueue> {
  const { Queue } = loadPeer("bullmq") as BullModule;
  const queue = new Queue(QUEUE_NAME, { connection: { host: target.host, port: target.port } });
  await queue.waitUntilReady();
  return queue;
}

async function openProducer(target: Target): Promise<Producer> {
  const queue = await openQueue(target);
  const options: JobOptions = { removeOnComplete: !target.keepCompleted };
  return {
    add: (payload) => queue.add(JOB_NAME, payload, options),
    addMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: JOB_NAME, data, opts: options }))),
    addDueAt(payloads, dueAt) {
      const timestamp = Date.now();
      const opts = { ...options, timestamp, delay: dueAt - timestamp };
      return queue.addBulk(payloads.map((data) => ({ name: JOB_NAME, data, opts })));
    },
    async countUnfinished() {
      const counts = await queue.getJobCounts(...UNFINISHED_STATES);
      return Object.values(counts).reduce((sum, count) => sum + count, 0);
    },
    close: () => queue.close(),
  };
}

async function openConsumer(target: Target, options: ConsumerOptions): Promise<Consumer> {
  const { Worker } = loadPeer("bullmq") as BullModule;
  const worker = new Worker(QUEUE_NAME, async (job) => options.onJob(job.data), {
    autorun: false,
    concurrency: options.concurrency,
    connection: { host: target.host, port: target.port, maxRetriesPerRequest: null },
  });
  worker.on("error", options.onFailure);
  await worker.waitUntilReady();
  return {
    run() {
      worker.run().catch(options.onFailure);
    },
    close: () => worker.close(),
  };
}

/** `obliterate` removes a thousand jobs a call, where `drain` would hold Redis up with all of them. */
async function openOperator(target: Target): Promise<Operator> {
  const queue = await openQueue(target);
  return {
    count: async () => (await queue.getJobCounts("waiting"))["waiting"] ?? 0,
    list: async (most) => (await queue.getJobs(["waiting"], 0, most - 1)).length,
    purge: () => queue.obliterate({ force: true }),
    close: () => queue.close(),
  };
}

async function openStarter(target: Target): Promise<Starter> {
  const { FlowProducer } = loadPeer("bullmq") as BullModule;
  const producer = new FlowProducer({ connection: { host: target.host, port: target.port } });
  await producer.waitUntilReady();
  return {
    start: (shape, payloads) => producer.add(flowOf(shape, payloads)),
    close: () => producer.close(),
  };
}

function flowOf(shape: FlowShape, payloads: readonly BenchPayload[]): FlowJob {
  const before = payloads.slice(0, -1);
  const children =
    shape === "fan"
      ? before.map((data) => flowJob(data, []))
      : before.length === 0
        ? []
        : [flowOf("chain", before)];
  return flowJob(payloads.at(-1)!, children);
}

function flowJob(data: BenchPayload, children: readonly FlowJob[]): FlowJob {
  return { name: JOB_NAME, queueName: QUEUE_NAME, data, opts: { removeOnComplete: true }, children };
}

export const bullmqAdapter: Adapter = { openProducer, openConsumer, openOperator, openStarter };
