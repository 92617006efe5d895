import { defineHandler } from "../../../generated/index.js";

export default defineHandler("audit:write", async (job, ctx) => {
  throw ctx.notImplemented();
});
