import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:index", async (_job, ctx) => {
  throw ctx.notImplemented();
});
