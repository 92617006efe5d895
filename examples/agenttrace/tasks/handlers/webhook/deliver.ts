import { defineHandler, Gone } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";
import { AddressGone, deliver } from "../../../src/receiver.js";

/** Tell the project's own systems. */
export default defineHandler("webhook:deliver", (job, ctx) =>
  journaled(job, async () => {
    const { traceId, url } = job.payload;
    try {
      await deliver(url, { traceId }, ctx.idempotencyKey, ctx.signal);
    } catch (error) {
      if (error instanceof AddressGone) throw new Gone(error.message);
      throw error;
    }
  }),
);
