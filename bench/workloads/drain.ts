import type { Feature } from "../adapters/adapter.js";
import type { AgentProcess } from "../agent/agent-process.js";
import type { WorkReply, WorkRequest } from "../agent/messages.js";
import { countCalls, type Measured, type Sample } from "../sample.js";
import {
  BULK_WIDTH,
  FILL_CHUNK,
  LEAST_WARM_UP_JOBS,
  MEASURED_JOBS,
  WARM_UP_CONCURRENCY,
  WARM_UP_JOBS,
  type Workload,
} from "./workload.js";

export interface DrainShape {
  readonly concurrency: number;
  readonly jobs: number;
  readonly handlerMs?: number;
  readonly keepCompleted?: boolean;
  readonly features?: readonly Feature[];
  /** Jobs that wait behind the measured ones and stay. Not scaled: its size is the point. */
  readonly backlog?: number;
}

export async function measureDrain(sample: Sample, shape: DrainShape): Promise<Measured> {
  const options = { keepCompleted: shape.keepCompleted ?? false, features: shape.features ?? [] };
  const [producer, worker] = await Promise.all([
    sample.agent("producer", options),
    sample.agent("worker", options),
  ]);
  const memoryEmpty = (await sample.redis.counters()).usedMemory;
  const warmUp = sample.scaled(WARM_UP_JOBS, LEAST_WARM_UP_JOBS);
  await fill(producer, 0, warmUp);
  await worker.call("prepare", { concurrency: WARM_UP_CONCURRENCY, from: 0, count: warmUp, handlerMs: 0 });
  await worker.call("work", undefined);

  const jobs = sample.scaled(shape.jobs);
  const backlog = shape.backlog ?? 0;
  await fill(producer, warmUp, jobs + backlog);
  const request = {
    concurrency: shape.concurrency,
    from: warmUp,
    count: jobs,
    handlerMs: shape.handlerMs ?? 0,
  };
  await worker.call("prepare", request);
  await sample.redis.resetTimes();
  const { window, value } = await sample.measure(() => worker.call("work", undefined));
  const { scriptP99Us, scriptMaxUs } = await sample.redis.commandTimes();
  if (backlog === 0) await proveComplete(producer, request, value);
  const memoryAfter = (await sample.redis.counters()).usedMemory;
  return {
    window,
    jobs: value.handled,
    metrics: {
      rate: (jobs / (value.endedAtUs - value.startedAtUs)) * 1e6,
      redisUs: window.redisCpuUs / value.handled,
      commands: countCalls(window) / value.handled,
      scriptP99Us,
      scriptMaxUs,
      nodeUs: value.cpuUs / jobs,
      ...(options.keepCompleted && { bytesPerKeptJob: (memoryAfter - memoryEmpty) / (warmUp + jobs) }),
    },
  };
}

/** Stores jobs as fast as the library can; not measured. */
export async function fill(producer: AgentProcess, from: number, count: number): Promise<void> {
  for (let done = 0; done < count; done += FILL_CHUNK) {
    const chunk = Math.min(FILL_CHUNK, count - done);
    await producer.call("enqueue", { mode: "bulk", width: BULK_WIDTH, from: from + done, count: chunk });
  }
}

/** A figure of a run that lost or repeated jobs is worth nothing. */
export async function proveComplete(
  producer: AgentProcess,
  request: WorkRequest,
  reply: WorkReply,
): Promise<void> {
  const missing = reply.handledAtUs.reduce((sum, atUs) => (atUs === 0 ? sum + 1 : sum), 0);
  const unfinished = await producer.call("unfinished", undefined);
  if (missing === 0 && reply.duplicates === 0 && unfinished === 0) return;
  throw new Error(
    `expected ${request.count} jobs to run exactly once, got ${missing} that never ran, ` +
      `${reply.duplicates} repeated and ${unfinished} left unfinished`,
  );
}

/** Producer and worker at once, as in life; they and Redis share the machine's cores. */
async function measureBoth(sample: Sample): Promise<Measured> {
  const [producer, worker] = await Promise.all([sample.agent("producer"), sample.agent("worker")]);
  const warmUp = sample.scaled(WARM_UP_JOBS, LEAST_WARM_UP_JOBS);
  await together(producer, worker, 0, warmUp);
  const jobs = sample.scaled(MEASURED_JOBS);
  const { window, value } = await sample.measure(() => together(producer, worker, warmUp, jobs));
  await proveComplete(producer, value.request, value.worked);
  return {
    window,
    jobs,
    metrics: {
      rate: (jobs / (value.worked.endedAtUs - value.enqueued.startedAtUs)) * 1e6,
      redisUs: window.redisCpuUs / jobs,
      commands: countCalls(window) / jobs,
      nodeUs: (value.enqueued.cpuUs + value.worked.cpuUs) / jobs,
    },
  };
}

async function together(producer: AgentProcess, worker: AgentProcess, from: number, count: number) {
  const request = { concurrency: 100, from, count, handlerMs: 0 };
  await worker.call("prepare", request);
  const [worked, enqueued] = await Promise.all([
    worker.call("work", undefined),
    producer.call("enqueue", { mode: "inFlight", width: 1000, from, count }),
  ]);
  return { request, worked, enqueued };
}

const drainAt = (concurrency: number, jobs: number): Workload => ({
  name: `drain-${concurrency}`,
  meaning: `one worker, ${concurrency} handler${concurrency === 1 ? "" : "s"} at once that do nothing, completed jobs removed`,
  measure: (sample) => measureDrain(sample, { concurrency, jobs }),
});

const drainForFreeSlots = (concurrency: number, jobs: number): Workload => ({
  name: `drain-${concurrency}-free`,
  meaning: `as drain-${concurrency}, nothing claimed ahead: only what a handler is free for`,
  libraries: ["taskweft"],
  variantOf: `drain-${concurrency}`,
  measure: (sample) => measureDrain(sample, { concurrency, jobs, features: ["noClaimAhead"] }),
});

const drainWithBacklog = (name: string, backlog: number): Workload => ({
  name: `backlog-${name}`,
  meaning: `as drain-100, 20,000 jobs, while ${backlog.toLocaleString("en-US")} more wait behind them`,
  measure: (sample) => measureDrain(sample, { concurrency: 100, jobs: 20_000, backlog }),
});

export const drainWorkloads: readonly Workload[] = [
  drainAt(1, 60_000),
  drainAt(10, MEASURED_JOBS),
  drainAt(100, MEASURED_JOBS),
  drainAt(500, MEASURED_JOBS),
  drainForFreeSlots(1, 60_000),
  drainForFreeSlots(10, MEASURED_JOBS),
  drainForFreeSlots(100, MEASURED_JOBS),
  drainForFreeSlots(500, MEASURED_JOBS),
  {
    name: "drain-kept",
    meaning: "as drain-100, completed jobs kept; memory is what Redis holds per job afterwards",
    measure: (sample) => measureDrain(sample, { concurrency: 100, jobs: MEASURED_JOBS, keepCompleted: true }),
  },
  {
    name: "drain-5ms",
    meaning: "as drain-100 with handlers that wait 5 ms (ceiling 20,000 jobs/s)",
    measure: (sample) => measureDrain(sample, { concurrency: 100, jobs: 20_000, handlerMs: 5 }),
  },
  {
    name: "both",
    meaning: "a producer process (1,000 in flight) and a worker process (concurrency 100) at once",
    measure: measureBoth,
  },
  drainWithBacklog("1k", 1000),
  drainWithBacklog("10k", 10_000),
  drainWithBacklog("100k", 100_000),
  drainWithBacklog("1m", 1_000_000),
];
