import { defineHandler } from "../../../generated/index.js";

export default defineHandler("warehouse:pack", async (_job, ctx) => {
  throw ctx.notImplemented();
});
