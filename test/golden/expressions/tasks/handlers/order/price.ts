import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:price", async (job, ctx) => {
  throw ctx.notImplemented();
});
