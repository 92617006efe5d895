import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:export", async (_job, ctx) => {
  throw ctx.notImplemented();
});
