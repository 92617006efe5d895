import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:notify", async (_job, ctx) => {
  throw ctx.notImplemented();
});
