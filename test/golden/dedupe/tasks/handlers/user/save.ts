import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:save", async (job, ctx) => {
  throw ctx.notImplemented();
});
