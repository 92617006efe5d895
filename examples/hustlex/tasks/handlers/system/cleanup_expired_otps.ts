import { defineHandler } from "../../../generated/index.js";
import { runUpkeep } from "../../../src/outside.js";

/** Remove one-time passwords that nobody used. */
export default defineHandler("system:cleanup_expired_otps", async (_job, ctx) => {
  await runUpkeep("expired passwords", ctx.idempotencyKey, ctx.signal);
});
