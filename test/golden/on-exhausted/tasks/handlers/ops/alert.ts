import { defineHandler } from "../../../generated/index.js";

export default defineHandler("ops:alert", async (job, ctx) => {
  throw ctx.notImplemented();
});
