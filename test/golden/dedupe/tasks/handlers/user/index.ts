import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:index", async (job, ctx) => {
  throw ctx.notImplemented();
});
