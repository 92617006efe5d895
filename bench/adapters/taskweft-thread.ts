/**
 * The task with `isolate: thread`: its threads import this module too. They note what they ran in memory that they share with the
 * worker, where it is read every millisecond: a message a job would be as dear as what is measured.
 */
import { getEnvironmentData, setEnvironmentData } from "node:worker_threads";
import { type AnyTaskContract, createDefineHandler, isolatedIn, type Registry } from "taskweft/generated-v1";
import type { BenchPayload } from "../payload.js";
import type { ConsumerOptions } from "./adapter.js";
import { benchJobContract, queues, TASK_NAME } from "./taskweft-contract.js";
import type { BenchRegistry } from "./taskweft-registry.js";

const MEMORY_NAME = "taskweft-bench-ran";
/** More jobs than any sample runs. */
const MOST_JOBS = 1_000_000;
const LOOK_EVERY_MS = 1;

/** Element 0: how many there are. Then, in the order in which they ran, 1 + the number of the job; 0 is not written yet. */
function sharedMemory(): Int32Array {
  return new Int32Array(getEnvironmentData(MEMORY_NAME) as unknown as SharedArrayBuffer);
}

interface Tasks {
  [TASK_NAME]: { payload: BenchPayload; result: void };
}

let ran: Int32Array | undefined;
const handler = createDefineHandler<Tasks>()(TASK_NAME, ({ payload }) => {
  ran ??= sharedMemory();
  Atomics.store(ran, 1 + Atomics.add(ran, 0, 1), 1 + payload.seq);
});

const registry: Registry = isolatedIn(import.meta.url, {
  contracts: [benchJobContract({ keepCompleted: false, features: ["thread"] })],
  queues,
  handlers: { [TASK_NAME]: async () => handler },
});

/** The registry for a worker that tells `onJob` of what its threads ran. */
export function threadRegistry(contract: AnyTaskContract, onJob: ConsumerOptions["onJob"]): BenchRegistry {
  // Threads that start later get the memory as well.
  setEnvironmentData(MEMORY_NAME, new SharedArrayBuffer(4 * (1 + MOST_JOBS)) as never);
  const memory = sharedMemory();
  let seen = 0;
  const look = setInterval(() => {
    for (let next = Atomics.load(memory, 1 + seen); next !== 0; next = Atomics.load(memory, 1 + seen)) {
      seen++;
      void onJob({ seq: next - 1 } as BenchPayload);
    }
  }, LOOK_EVERY_MS);
  return { registry: { ...registry, contracts: [contract] }, close: () => clearInterval(look) };
}
