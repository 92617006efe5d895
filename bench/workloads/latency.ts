import { setTimeout as sleep } from "node:timers/promises";
import { calendarUs } from "../clock.js";
import { countCalls, type Measured, type Sample } from "../sample.js";
import type { Metrics } from "../figures/metrics.js";
import { percentile } from "../figures/statistics.js";
import { proveComplete } from "./drain.js";
import { LEAST_WARM_UP_JOBS, type Workload } from "./workload.js";

/** Long enough for every library to be blocked on an empty queue again. */
const PICKUP_PAUSE_MS = 8;
const PICKUP_WARM_UP = 50;
/** Enqueued one by one and worked before: processes of a service have run for hours when a job comes. */
const PICKUP_WARM_UP_JOBS = 20_000;
/** From the enqueue of delayed jobs to their due time; storing 10,000 of them takes the slowest library 0.5 s. */
const DUE_AFTER_MS = 2500;
const LONE_DELAY_MS = 100;
/** The slowest library starts a lone job up to 130 ms late. */
const LONE_REST_MS = 250;
/** After its start a worker may check schedules, stalled jobs and the like; that is not idling. */
const SETTLE_MS = 1000;
/** Two of the longest blocking waits among the peers (5 s), else a window may see no command at all. */
const IDLE_MS = 10_000;

/** From the call of enqueue in one process to the start of the handler in another that was idle. */
async function measurePickup(sample: Sample): Promise<Measured> {
  const [producer, worker] = await Promise.all([sample.agent("producer"), sample.agent("worker")]);
  const from = sample.scaled(PICKUP_WARM_UP_JOBS, LEAST_WARM_UP_JOBS);
  await producer.call("enqueue", { mode: "oneByOne", width: 1, from: 0, count: from });
  await worker.call("prepare", { concurrency: 10, from: 0, count: from, handlerMs: 0 });
  await worker.call("work", undefined);

  const count = PICKUP_WARM_UP + sample.scaled(250, 20);
  const request = { concurrency: 10, from, count, handlerMs: 0 };
  await worker.call("prepare", request);
  const { window, value } = await sample.measure(async () => {
    const [worked, enqueued] = await Promise.all([
      worker.call("work", undefined),
      producer.call("spaced", { from, count, pauseMs: PICKUP_PAUSE_MS }),
    ]);
    return { worked, enqueued };
  });
  await proveComplete(producer, request, value.worked);
  const latenciesUs = value.worked.handledAtUs
    .map((atUs, index) => atUs - value.enqueued.timesUs[index]!)
    .slice(PICKUP_WARM_UP);
  return {
    window,
    jobs: count,
    metrics: {
      p50Us: percentile(latenciesUs, 0.5),
      p99Us: percentile(latenciesUs, 0.99),
      redisUs: window.redisCpuUs / count,
      commands: countCalls(window) / count,
    },
  };
}

/** 10,000 jobs due at one moment: how late each starts. */
async function measureDelayed(sample: Sample): Promise<Measured> {
  const [producer, worker] = await Promise.all([sample.agent("producer"), sample.agent("worker")]);
  const count = sample.scaled(10_000);
  const request = { concurrency: 100, from: 0, count, handlerMs: 0 };
  await worker.call("prepare", request);
  const { window, value } = await sample.measure(async () => {
    const working = worker.call("work", undefined);
    const dueAt = Date.now() + DUE_AFTER_MS;
    const dueAtUs = calendarUs(dueAt);
    const [worked] = await Promise.all([
      working,
      storeInTime(producer.call("due", { from: 0, count, dueAt }), dueAt),
    ]);
    return { worked, dueAtUs };
  });
  await proveComplete(producer, request, value.worked);
  const latenessMs = value.worked.handledAtUs.map((atUs) => (atUs - value.dueAtUs) / 1000);
  return {
    window,
    jobs: count,
    metrics: {
      ...latenesses(latenessMs),
      redisUs: window.redisCpuUs / count,
      commands: countCalls(window) / count,
    },
  };
}

/** Delayed jobs one at a time, for a worker that has nothing else to do. */
async function measureLone(sample: Sample): Promise<Measured> {
  const [producer, worker] = await Promise.all([sample.agent("producer"), sample.agent("worker")]);
  const count = sample.scaled(50, 10);
  const request = { concurrency: 10, from: 0, count, handlerMs: 0 };
  await worker.call("prepare", request);
  const { window, value } = await sample.measure(async () => {
    const [worked, stored] = await Promise.all([
      worker.call("work", undefined),
      producer.call("lone", { from: 0, count, delayMs: LONE_DELAY_MS, restMs: LONE_REST_MS }),
    ]);
    return { worked, dueAtUs: stored.timesUs };
  });
  await proveComplete(producer, request, value.worked);
  const { handledAtUs } = value.worked;
  const latenessMs = handledAtUs.map((atUs, index) => (atUs - value.dueAtUs[index]!) / 1000);
  return { window, jobs: count, metrics: latenesses(latenessMs) };
}

function latenesses(latenessMs: Float64Array): Metrics {
  return {
    latenessMinMs: percentile(latenessMs, 0),
    latenessP50Ms: percentile(latenessMs, 0.5),
    latenessP99Ms: percentile(latenessMs, 0.99),
    latenessMaxMs: percentile(latenessMs, 1),
  };
}

async function storeInTime(storing: Promise<unknown>, dueAt: number): Promise<void> {
  await storing;
  const lateByMs = Date.now() - dueAt;
  if (lateByMs > 0)
    throw new Error(`expected the delayed jobs to be stored before they are due, got ${lateByMs} ms after`);
}

/** What a worker costs that has nothing to do. */
async function measureIdle(sample: Sample): Promise<Measured> {
  const worker = await sample.agent("worker");
  await worker.call("prepare", { concurrency: 100, from: 0, count: 1, handlerMs: 0 });
  await worker.call("idle", undefined);
  await sleep(SETTLE_MS);
  const { window } = await sample.measure(() => sleep(IDLE_MS));
  return {
    window,
    jobs: 1,
    metrics: {
      idleCommandsPerSecond: (countCalls(window) / window.wallMs) * 1000,
      idleRedisPercent: window.redisCpuUs / window.wallMs / 10,
      idleNodePercent: window.nodeCpuUs / window.wallMs / 10,
    },
  };
}

export const latencyWorkloads: readonly Workload[] = [
  {
    name: "pickup",
    meaning: "producer process to idle worker process, from the call of enqueue to the start of the handler",
    measure: measurePickup,
  },
  {
    name: "delayed",
    meaning: "10,000 delayed jobs due at one moment, one worker, concurrency 100: how late they start",
    measure: measureDelayed,
  },
  {
    name: "delayed-lone",
    meaning: "50 delayed jobs one after the other, each alone, an idle worker: how late they start",
    measure: measureLone,
  },
  {
    name: "idle",
    meaning: "one worker, nothing to do; commands in all, without those of the harness",
    measure: measureIdle,
  },
];
