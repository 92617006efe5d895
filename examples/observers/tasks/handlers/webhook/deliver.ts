import { defineHandler } from "../../../generated/index.js";
import { tell } from "../../../src/outside.js";

/** Tell another system. */
export default defineHandler("webhook:deliver", async (job, ctx) => {
  const { path, about, data } = job.payload;
  await tell(path, { about, data }, ctx.idempotencyKey, ctx.signal);
});
