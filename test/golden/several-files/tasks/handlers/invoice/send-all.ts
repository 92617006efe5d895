import { defineHandler } from "../../../generated/index.js";

export default defineHandler("invoice:send-all", async (job, ctx) => {
  throw ctx.notImplemented();
});
