import { defineHandler } from "../../../generated/index.js";

export default defineHandler("invoice:send-all", async (_job, ctx) => {
  throw ctx.notImplemented();
});
