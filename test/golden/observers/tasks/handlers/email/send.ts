import { defineHandler } from "../../../generated/index.js";

export default defineHandler("email:send", async (job, ctx) => {
  throw ctx.notImplemented();
});
