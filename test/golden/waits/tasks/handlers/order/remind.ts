import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:remind", async (job, ctx) => {
  throw ctx.notImplemented();
});
