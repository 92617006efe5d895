import { defineHandler } from "../../../generated/index.js";

export default defineHandler("report:send", async (_job, ctx) => {
  throw ctx.notImplemented();
});
