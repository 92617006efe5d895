import { defineHandler } from "../../../generated/index.js";

export default defineHandler("ops:alert", async (_job, ctx) => {
  throw ctx.notImplemented();
});
