import { defineHandler } from "../../../generated/index.js";

export default defineHandler("audit:write", async (_job, ctx) => {
  throw ctx.notImplemented();
});
