import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:store", async (job, ctx) => {
  throw ctx.notImplemented();
});
