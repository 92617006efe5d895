import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:notify", async (job, ctx) => {
  throw ctx.notImplemented();
});
