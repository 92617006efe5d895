import { defineHandler } from "../../../generated/index.js";
import { runUpkeep } from "../../../src/outside.js";

/** Compute the credit scores of all members anew. */
export default defineHandler("system:credit_score_batch", async (_job, ctx) => {
  await runUpkeep("credit scores", ctx.idempotencyKey, ctx.signal);
});
