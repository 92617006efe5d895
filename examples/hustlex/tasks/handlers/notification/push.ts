import { defineHandler } from "../../../generated/index.js";
import { sendMessage } from "../../../src/outside.js";

/** Show a message on a member's telephone. */
export default defineHandler("notification:push", async (job, ctx) => {
  await sendMessage({ channel: "push", ...job.payload }, ctx.idempotencyKey, ctx.signal);
});
