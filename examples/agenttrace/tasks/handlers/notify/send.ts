import { defineHandler } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";
import { addressOf, deliver } from "../../../src/receiver.js";

/** Tell a person. */
export default defineHandler("notify:send", (job, ctx) =>
  journaled(job, () =>
    deliver(addressOf("AGENTTRACE_NOTIFY_URL", "notify"), job.payload, ctx.idempotencyKey, ctx.signal),
  ),
);
