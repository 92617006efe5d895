import { defineHandler, enqueueNotifySend } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";

const UNUSUAL_MS = 30_000;

/** Compare the trace with what is usual for its model. */
export default defineHandler("anomaly:detect", (job, ctx) =>
  journaled(job, async () => {
    const { traceId, latencyMs } = job.payload;
    if (latencyMs < UNUSUAL_MS) return;
    // The id is made from this job's: an attempt that runs again finds the message that is there.
    await enqueueNotifySend(
      { projectId: "demo", text: `Trace ${traceId} took ${latencyMs} ms.` },
      { id: `${ctx.idempotencyKey}:notify` },
    );
  }),
);
