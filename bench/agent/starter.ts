import { setTimeout as sleep } from "node:timers/promises";
import type { Starter } from "../adapters/adapter.js";
import { nowUs, processCpuUs } from "../clock.js";
import { makePayloads } from "../payload.js";
import type { StartRequest, Timing } from "./messages.js";

/** Starts graphs as asked; payloads are made before the clock starts. */
export async function startGraphs(starter: Starter, request: StartRequest): Promise<Timing> {
  const { shape, size, width, pauseMs } = request;
  const graphs = Array.from({ length: request.graphs }, (_unused, graph) =>
    makePayloads(request.from + graph * size, size),
  );
  const startedCpuUs = processCpuUs();
  const startedAtUs = nowUs();
  for (let index = 0; index < graphs.length; index += width) {
    const some = graphs.slice(index, index + width);
    await Promise.all(some.map((payloads) => starter.start(shape, payloads)));
    if (pauseMs > 0) await sleep(pauseMs);
  }
  return { startedAtUs, endedAtUs: nowUs(), cpuUs: processCpuUs() - startedCpuUs };
}
