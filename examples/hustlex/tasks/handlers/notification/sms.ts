import { defineHandler } from "../../../generated/index.js";
import { sendMessage } from "../../../src/outside.js";

/** Send a text message, for members without the app. */
export default defineHandler("notification:sms", async (job, ctx) => {
  await sendMessage({ channel: "sms", ...job.payload }, ctx.idempotencyKey, ctx.signal);
});
