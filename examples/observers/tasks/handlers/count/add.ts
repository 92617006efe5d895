import { defineHandler } from "../../../generated/index.js";
import { tell } from "../../../src/outside.js";

/** Add one to a counter. */
export default defineHandler("count:add", async (job, ctx) => {
  await tell("/count", job.payload, ctx.idempotencyKey, ctx.signal);
});
