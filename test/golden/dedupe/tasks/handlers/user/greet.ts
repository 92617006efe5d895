import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:greet", async (job, ctx) => {
  throw ctx.notImplemented();
});
