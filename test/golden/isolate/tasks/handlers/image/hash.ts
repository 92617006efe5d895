import { defineHandler } from "../../../generated/index.js";

export default defineHandler("image:hash", async (job, ctx) => {
  throw ctx.notImplemented();
});
