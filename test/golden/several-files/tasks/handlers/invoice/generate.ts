import { defineHandler } from "../../../generated/index.js";

export default defineHandler("invoice:generate", async (job, ctx) => {
  throw ctx.notImplemented();
});
