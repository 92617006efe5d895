import { defineHandler } from "../../../generated/index.js";

export default defineHandler("warehouse:pack", async (job, ctx) => {
  throw ctx.notImplemented();
});
