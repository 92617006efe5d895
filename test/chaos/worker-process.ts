// A worker process for the chaos tests: writes each start and end of a job to a file outside Redis, so that what really
// happened can be compared with what Redis says. Options come from the environment, as in a deployed worker.
import { appendFileSync, existsSync } from "node:fs";
import { runWorker } from "taskweft/generated-v1";
import { BLOCK, type Block, POISON, QUEUES, SCHEDULES, type Work, WORK } from "./tasks.js";
import type { Effect } from "./effects.js";

const file = process.env["CHAOS_EFFECTS"] ?? "";
/** What blocks in this process does so until this file exists, however long its job says. */
const blockUntil = process.env["CHAOS_BLOCK_UNTIL"];

function record(kind: Effect["kind"], id: string, attempt: number): void {
  const effect: Effect = { kind, id, attempt, pid: process.pid, at: Date.now() };
  // One write of one line: lines of several processes never mix.
  appendFileSync(file, `${JSON.stringify(effect)}\n`);
}

/** Blocks the event loop without work for the processor. */
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

await runWorker({
  contracts: [BLOCK, POISON, WORK],
  queues: QUEUES,
  ...(process.env["CHAOS_SCHEDULES"] === "1" ? { schedules: SCHEDULES.map(({ schedule }) => schedule) } : {}),
  handlers: {
    [BLOCK.name]: async () => ({
      name: BLOCK.name,
      handler: (job: { id: string; attempt: number; payload: Block }) => {
        record("start", job.id, job.attempt);
        const { ms, idle = false } = job.payload;
        const end = performance.now() + ms;
        if (blockUntil !== undefined) while (!existsSync(blockUntil)) pause(5);
        else if (idle) pause(ms);
        else while (performance.now() < end);
        record("end", job.id, job.attempt);
        return process.pid;
      },
    }),
    [WORK.name]: async () => ({
      name: WORK.name,
      handler: async (job: { id: string; attempt: number; payload: Work }) => {
        record("start", job.id, job.attempt);
        await new Promise((resolve) => setTimeout(resolve, job.payload.ms));
        record("end", job.id, job.attempt);
        return process.pid;
      },
    }),
    [POISON.name]: async () => ({
      name: POISON.name,
      handler: (job: { id: string; attempt: number }) => {
        record("start", job.id, job.attempt);
        process.kill(process.pid, "SIGKILL");
      },
    }),
  } as never,
});
