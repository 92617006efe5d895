import { defineHandler } from "../../../generated/index.js";

export default defineHandler("webhook:deliver", async (job, ctx) => {
  throw ctx.notImplemented();
});
