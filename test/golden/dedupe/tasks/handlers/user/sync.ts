import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:sync", async (job, ctx) => {
  throw ctx.notImplemented();
});
