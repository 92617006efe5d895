import { setTimeout as sleep } from "node:timers/promises";
import type { Producer } from "../adapters/adapter.js";
import { calendarUs, nowUs, processCpuUs } from "../clock.js";
import type { DueRequest, EnqueueReply, EnqueueRequest, LoneRequest, SpacedRequest } from "./messages.js";
import { type BenchPayload, makePayloads } from "../payload.js";

/** Jobs a call for many while delayed jobs are stored; not measured. */
const DUE_CHUNK = 1000;

/** Enqueues as asked; payloads are made before the clock starts. */
export async function enqueue(producer: Producer, request: EnqueueRequest): Promise<EnqueueReply> {
  const payloads = makePayloads(request.from, request.count);
  const timesUs = new Float64Array(request.mode === "oneByOne" ? request.count : 0);
  const startedCpuUs = processCpuUs();
  const startedAtUs = nowUs();
  if (request.mode === "oneByOne") await enqueueOneByOne(producer, payloads, timesUs);
  else await enqueueInBatches(producer, payloads, request);
  const endedAtUs = nowUs();
  return { startedAtUs, endedAtUs, cpuUs: processCpuUs() - startedCpuUs, timesUs };
}

async function enqueueOneByOne(
  producer: Producer,
  payloads: readonly BenchPayload[],
  timesUs: Float64Array,
): Promise<void> {
  for (const [index, payload] of payloads.entries()) {
    const startedAtUs = nowUs();
    await producer.add(payload);
    timesUs[index] = nowUs() - startedAtUs;
  }
}

async function enqueueInBatches(
  producer: Producer,
  payloads: readonly BenchPayload[],
  { mode, width }: EnqueueRequest,
): Promise<void> {
  for (let start = 0; start < payloads.length; start += width) {
    const batch = payloads.slice(start, start + width);
    if (mode === "bulk") await producer.addMany(batch);
    else await Promise.all(batch.map((payload) => producer.add(payload)));
  }
}

/** One job after each pause; says when each call was made. */
export async function enqueueSpaced(producer: Producer, request: SpacedRequest): Promise<EnqueueReply> {
  const payloads = makePayloads(request.from, request.count);
  const timesUs = new Float64Array(request.count);
  const startedCpuUs = processCpuUs();
  const startedAtUs = nowUs();
  for (const [index, payload] of payloads.entries()) {
    await sleep(request.pauseMs);
    timesUs[index] = nowUs();
    await producer.add(payload);
  }
  return { startedAtUs, endedAtUs: nowUs(), cpuUs: processCpuUs() - startedCpuUs, timesUs };
}

/** Jobs that all become due at one moment. */
export async function enqueueDue(producer: Producer, request: DueRequest): Promise<void> {
  for (let done = 0; done < request.count; done += DUE_CHUNK) {
    const count = Math.min(DUE_CHUNK, request.count - done);
    await producer.addDueAt(makePayloads(request.from + done, count), request.dueAt);
  }
}

/** One delayed job after the other, each alone; says when each was due. */
export async function enqueueLone(producer: Producer, request: LoneRequest): Promise<EnqueueReply> {
  const payloads = makePayloads(request.from, request.count);
  const timesUs = new Float64Array(request.count);
  const startedCpuUs = processCpuUs();
  const startedAtUs = nowUs();
  for (const [index, payload] of payloads.entries()) {
    // Spread over all phases of whatever looks in intervals.
    const delayMs = request.delayMs + ((index * 37) % request.delayMs);
    const dueAt = Date.now() + delayMs;
    timesUs[index] = calendarUs(dueAt);
    await producer.addDueAt([payload], dueAt);
    await sleep(dueAt + request.restMs - Date.now());
  }
  return { startedAtUs, endedAtUs: nowUs(), cpuUs: processCpuUs() - startedCpuUs, timesUs };
}
