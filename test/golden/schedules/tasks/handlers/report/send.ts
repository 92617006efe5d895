import { defineHandler } from "../../../generated/index.js";

export default defineHandler("report:send", async (job, ctx) => {
  throw ctx.notImplemented();
});
