import { defineHandler } from "../../../generated/index.js";

/** May crash, and needs much memory. */
export default defineHandler("image:resize", async (_job, ctx) => {
  throw ctx.notImplemented();
});
