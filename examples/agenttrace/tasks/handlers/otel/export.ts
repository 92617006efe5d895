import { defineHandler } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";
import { addressOf, deliver } from "../../../src/receiver.js";

/** Send the trace on to the project's own collector. */
export default defineHandler("otel:export", (job, ctx) =>
  journaled(job, () =>
    deliver(addressOf("AGENTTRACE_COLLECTOR_URL", "v1/traces"), job.payload, ctx.idempotencyKey, ctx.signal),
  ),
);
