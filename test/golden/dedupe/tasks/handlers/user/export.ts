import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:export", async (job, ctx) => {
  throw ctx.notImplemented();
});
