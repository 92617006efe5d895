import { setTimeout as pause } from "node:timers/promises";
import { defineHandler } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";

/** How long the judge of this example thinks (ms). */
const JUDGE_MS = Number(process.env["AGENTTRACE_JUDGE_MS"] ?? 500);

/** Let a judge score the answer of a trace. */
export default defineHandler("eval:run", (job, ctx) =>
  journaled(job, async () => {
    await pause(JUDGE_MS, undefined, { signal: ctx.signal });
    return { score: Number.parseInt(job.payload.traceId.slice(0, 2), 16) / 255 };
  }),
);
