import { defineHandler } from "../../../generated/index.js";

export default defineHandler("every:shorthand", async (job, ctx) => {
  throw ctx.notImplemented();
});
