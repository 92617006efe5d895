import { defineHandler } from "../../../generated/index.js";
import { journaled } from "../../../src/journal.js";

/** Remove traces that are older than the plan of the project keeps. */
export default defineHandler("cleanup:traces", (job, ctx) =>
  journaled(job, async () => {
    // The example has no store of traces to clean.
    ctx.log.info("cleaned", { project: job.payload.projectId });
  }),
);
