import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:save", async (_job, ctx) => {
  throw ctx.notImplemented();
});
