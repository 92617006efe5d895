import { setTimeout as sleep } from "node:timers/promises";
import type { Adapter, Consumer, Target } from "../adapters/adapter.js";
import { nowUs, processCpuUs } from "../clock.js";
import type { WorkReply, WorkRequest } from "./messages.js";

/** A worker that counts what it handles and knows when it is done. */
export interface PreparedWorker {
  readonly consumer: Consumer;
  /** Runs until the asked number of jobs was handled, then stops. */
  work(): Promise<WorkReply>;
}

/** Connects a worker; nothing is fetched before `work()` or `consumer.run()`. */
export async function prepareWorker(
  adapter: Adapter,
  target: Target,
  request: WorkRequest,
): Promise<PreparedWorker> {
  const tally = new Tally(request);
  const onJob =
    request.handlerMs === 0
      ? ({ seq }: { seq: number }) => tally.count(seq)
      : async ({ seq }: { seq: number }) => {
          tally.started(seq);
          await sleep(request.handlerMs);
          tally.finished();
        };
  const consumer = await adapter.openConsumer(target, {
    concurrency: request.concurrency,
    onFailure: (error) => tally.fail(error),
    onJob,
  });
  return { consumer, work: () => work(consumer, tally, request.lingerMs ?? 0) };
}

async function work(consumer: Consumer, tally: Tally, lingerMs: number): Promise<WorkReply> {
  const startedCpuUs = processCpuUs();
  const startedAtUs = nowUs();
  consumer.run();
  const end = await tally.done;
  if (lingerMs > 0) await sleep(lingerMs);
  await consumer.close();
  return {
    startedAtUs,
    endedAtUs: end.atUs,
    cpuUs: end.cpuUs - startedCpuUs,
    handledAtUs: tally.handledAtUs,
    handled: tally.handled,
    duplicates: tally.duplicates,
  };
}

/** Which jobs ran and when. Kept small: it runs inside every measured handler. */
class Tally {
  readonly handledAtUs: Float64Array;
  readonly done: Promise<{ atUs: number; cpuUs: number }>;
  handled = 0;
  duplicates = 0;
  readonly #from: number;
  readonly #expected: number;
  #resolve: (end: { atUs: number; cpuUs: number }) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(request: WorkRequest) {
    this.#from = request.from;
    this.#expected = request.count;
    this.handledAtUs = new Float64Array(request.count);
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // An idle worker has nobody who waits; its failure must not end the process before it was reported.
    this.done.catch((error: unknown) => console.error(error));
  }

  count(seq: number): void {
    this.started(seq);
    this.finished();
  }

  started(seq: number): void {
    const index = seq - this.#from;
    if (index < 0 || index >= this.handledAtUs.length) return;
    if (this.handledAtUs[index] !== 0) this.duplicates++;
    this.handledAtUs[index] = nowUs();
  }

  fail(error: Error): void {
    this.#reject(error);
  }

  finished(): void {
    this.handled++;
    if (this.handled === this.#expected) this.#resolve({ atUs: nowUs(), cpuUs: processCpuUs() });
  }
}
