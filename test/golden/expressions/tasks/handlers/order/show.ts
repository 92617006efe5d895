import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:show", async (job, ctx) => {
  throw ctx.notImplemented();
});
