import { defineHandler } from "../../../generated/index.js";

export default defineHandler("mail:send", async (job, ctx) => {
  throw ctx.notImplemented();
});
