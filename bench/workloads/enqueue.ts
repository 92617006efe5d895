import type { EnqueueMode, EnqueueReply } from "../agent/messages.js";
import { countCalls, type Measured, type Sample } from "../sample.js";
import { percentile } from "../figures/statistics.js";
import { BULK_WIDTH, ENQUEUED_JOBS, LEAST_WARM_UP_JOBS, WARM_UP_JOBS, type Workload } from "./workload.js";

interface Shape {
  readonly mode: EnqueueMode;
  readonly width: number;
  readonly jobs: number;
}

async function measureEnqueue(sample: Sample, shape: Shape): Promise<Measured> {
  const producer = await sample.agent("producer");
  const warmUp = sample.scaled(Math.min(WARM_UP_JOBS, shape.jobs), LEAST_WARM_UP_JOBS);
  await producer.call("enqueue", { ...shape, from: 0, count: warmUp });
  const jobs = sample.scaled(shape.jobs);
  const memoryBefore = (await sample.redis.counters()).usedMemory;
  const { window, value } = await sample.measure(() =>
    producer.call("enqueue", { ...shape, from: warmUp, count: jobs }),
  );
  const memoryAfter = (await sample.redis.counters()).usedMemory;
  const stored = await producer.call("unfinished", undefined);
  if (stored !== warmUp + jobs) throw new Error(`expected ${warmUp + jobs} jobs to be stored, got ${stored}`);
  return {
    window,
    jobs,
    metrics: {
      rate: (jobs / (value.endedAtUs - value.startedAtUs)) * 1e6,
      redisUs: window.redisCpuUs / jobs,
      commands: countCalls(window) / jobs,
      nodeUs: value.cpuUs / jobs,
      bytesPerWaitingJob: (memoryAfter - memoryBefore) / jobs,
      ...latencies(value),
    },
  };
}

function latencies({ timesUs }: EnqueueReply) {
  if (timesUs.length === 0) return {};
  return { p50Us: percentile(timesUs, 0.5), p99Us: percentile(timesUs, 0.99) };
}

export const enqueueWorkloads: readonly Workload[] = [
  {
    name: "enqueue-one",
    meaning: "one producer, one job after the other, each awaited",
    measure: (sample) => measureEnqueue(sample, { mode: "oneByOne", width: 1, jobs: 30_000 }),
  },
  {
    name: "enqueue-100",
    meaning: "one producer, Promise.all over 100 enqueues at a time",
    measure: (sample) => measureEnqueue(sample, { mode: "inFlight", width: 100, jobs: 50_000 }),
  },
  {
    name: "enqueue-1000",
    meaning: "one producer, Promise.all over 1,000 enqueues at a time",
    measure: (sample) => measureEnqueue(sample, { mode: "inFlight", width: 1000, jobs: ENQUEUED_JOBS }),
  },
  {
    name: "enqueue-bulk",
    meaning:
      "one producer, the library's call for many with 1,000 jobs at a time; memory is the growth of used_memory",
    measure: (sample) => measureEnqueue(sample, { mode: "bulk", width: BULK_WIDTH, jobs: ENQUEUED_JOBS }),
  },
];
