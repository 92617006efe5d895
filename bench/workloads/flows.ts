/** Graphs of jobs: what they cost beside the same jobs without a graph, and how soon a step follows the one before. */
import type { FlowShape, Library } from "../adapters/adapter.js";
import type { AgentProcess } from "../agent/agent-process.js";
import { percentile } from "../figures/statistics.js";
import { countCalls, type Measured, type Sample } from "../sample.js";
import { proveComplete } from "./drain.js";
import type { Workload } from "./workload.js";

interface Shape {
  readonly shape: FlowShape;
  /** Jobs of one graph. */
  readonly size: number;
  readonly graphs: number;
}

/** Those in which jobs can wait for jobs. */
const LIBRARIES: readonly Library[] = ["bullmq", "taskweft"];
/** Jobs under way while graphs are started, as in `both`. */
const IN_FLIGHT = 1000;
const WARM_UP_STEPS = 50_000;
const CHAIN = 10;
/** Long enough for the end of the last graphs to be written down. */
const LINGER_MS = 2000;
/** Ten steps take a tenth of it at most. */
const PAUSE_MS = 60;
const LATENCY_WARM_UP = 10;

interface Parties {
  readonly starter: AgentProcess;
  readonly producer: AgentProcess;
  readonly worker: AgentProcess;
}

async function parties(sample: Sample): Promise<Parties> {
  const [starter, producer, worker] = await Promise.all([
    sample.agent("starter"),
    sample.agent("producer"),
    sample.agent("worker"),
  ]);
  return { starter, producer, worker };
}

const startRequest = ({ shape, size, graphs }: Shape, from: number) =>
  ({ shape, size, graphs, from, width: Math.ceil(IN_FLIGHT / size), pauseMs: 0 }) as const;

const workRequest = (from: number, count: number) =>
  ({ concurrency: 100, from, count, handlerMs: 0, lingerMs: LINGER_MS }) as const;

/** Graphs are started while a worker runs their jobs. */
async function together({ starter, worker }: Parties, shape: Shape, from: number) {
  const request = workRequest(from, shape.graphs * shape.size);
  await worker.call("prepare", request);
  const [worked, started] = await Promise.all([
    worker.call("work", undefined),
    starter.call("start", startRequest(shape, from)),
  ]);
  return { request, worked, started };
}

async function warmUp(sample: Sample, all: Parties, shape: Shape): Promise<number> {
  const graphs = Math.ceil(sample.scaled(WARM_UP_STEPS, 1000) / shape.size);
  await together(all, { ...shape, graphs }, 0);
  return graphs * shape.size;
}

async function measureFlows(sample: Sample, shape: Shape): Promise<Measured> {
  const all = await parties(sample);
  const from = await warmUp(sample, all, shape);
  const scaled = { ...shape, graphs: sample.scaled(shape.graphs, 10) };
  const { window, value } = await sample.measure(() => together(all, scaled, from));
  await proveComplete(all.producer, value.request, value.worked);
  const jobs = value.request.count;
  return {
    window,
    jobs,
    metrics: {
      rate: (jobs / (value.worked.endedAtUs - value.started.startedAtUs)) * 1e6,
      redisUs: window.redisCpuUs / jobs,
      commands: countCalls(window) / jobs,
      nodeUs: (value.started.cpuUs + value.worked.cpuUs) / jobs,
    },
  };
}

/** The graphs are there; what is measured is the worker. */
async function measureSteps(sample: Sample, shape: Shape): Promise<Measured> {
  const all = await parties(sample);
  const from = await warmUp(sample, all, shape);
  const scaled = { ...shape, graphs: sample.scaled(shape.graphs, 10) };
  await all.starter.call("start", startRequest(scaled, from));
  const request = workRequest(from, scaled.graphs * scaled.size);
  await all.worker.call("prepare", request);
  await sample.redis.resetTimes();
  const { window, value } = await sample.measure(() => all.worker.call("work", undefined));
  const { scriptP99Us, scriptMaxUs } = await sample.redis.commandTimes();
  await proveComplete(all.producer, request, value);
  const jobs = request.count;
  return {
    window,
    jobs,
    metrics: {
      rate: (jobs / (value.endedAtUs - value.startedAtUs)) * 1e6,
      redisUs: window.redisCpuUs / jobs,
      commands: countCalls(window) / jobs,
      scriptP99Us,
      scriptMaxUs,
      nodeUs: value.cpuUs / jobs,
    },
  };
}

/** From the start of one handler to that of the next step, with nothing else to do. */
async function measureStepLatency(sample: Sample): Promise<Measured> {
  const all = await parties(sample);
  const graphs = LATENCY_WARM_UP + sample.scaled(100, 20);
  const request = workRequest(0, graphs * CHAIN);
  await all.worker.call("prepare", request);
  const { window, value } = await sample.measure(async () => {
    const start = { shape: "chain", size: CHAIN, graphs, from: 0, width: 1, pauseMs: PAUSE_MS } as const;
    const [worked] = await Promise.all([
      all.worker.call("work", undefined),
      all.starter.call("start", start),
    ]);
    return worked;
  });
  await proveComplete(all.producer, request, value);
  const { handledAtUs } = value;
  const latenciesUs = handledAtUs
    .map((atUs, index) => atUs - (handledAtUs[index - 1] ?? atUs))
    .filter((_us, index) => index >= LATENCY_WARM_UP * CHAIN && index % CHAIN > 0);
  return {
    window,
    jobs: request.count,
    metrics: {
      p50Us: percentile(latenciesUs, 0.5),
      p99Us: percentile(latenciesUs, 0.99),
      redisUs: window.redisCpuUs / request.count,
      commands: countCalls(window) / request.count,
    },
  };
}

const CHAINS = { shape: "chain", size: CHAIN, graphs: 5000 } as const;

export const flowWorkloads: readonly Workload[] = [
  {
    name: "flow-chain",
    meaning: "as both, the jobs in chains of ten: each begins when the one before has ended",
    libraries: LIBRARIES,
    variantOf: "both",
    measure: (sample) => measureFlows(sample, CHAINS),
  },
  {
    name: "flow-fan",
    meaning:
      "as both, the jobs in graphs of a hundred that run at once and one that begins when all have ended",
    libraries: LIBRARIES,
    variantOf: "both",
    measure: (sample) => measureFlows(sample, { shape: "fan", size: 101, graphs: 500 }),
  },
  {
    name: "flow-steps",
    meaning: "as drain-100, the jobs in chains of ten that were started before",
    libraries: LIBRARIES,
    variantOf: "drain-100",
    measure: (sample) => measureSteps(sample, CHAINS),
  },
  {
    name: "flow-latency",
    meaning:
      "one chain of ten at a time, an idle worker: from the start of a handler to that of the next step",
    libraries: LIBRARIES,
    measure: measureStepLatency,
  },
];
