import { defineHandler } from "../../../generated/index.js";

export default defineHandler("image:hash", async (_job, ctx) => {
  throw ctx.notImplemented();
});
