import { defineHandler } from "../../../generated/index.js";
import { tell } from "../../../src/outside.js";

/** Write to a person. */
export default defineHandler("email:send", async (job, ctx) => {
  await tell("/mail", job.payload, ctx.idempotencyKey, ctx.signal);
});
