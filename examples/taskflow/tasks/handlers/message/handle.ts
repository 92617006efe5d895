import { setTimeout as pause } from "node:timers/promises";
import { defineHandler } from "../../../generated/index.js";
import { record } from "../../../src/journal.js";

/** How long a message takes (ms). */
const WORK_MS = Number(process.env["TASKFLOW_WORK_MS"] ?? 5);

/** Handle one message. */
export default defineHandler("message:handle", async (job, ctx) => {
  const startedAt = Date.now();
  await pause(WORK_MS, undefined, { signal: ctx.signal });
  record({ number: job.payload.number, job: job.id, pid: process.pid, startedAt });
});
