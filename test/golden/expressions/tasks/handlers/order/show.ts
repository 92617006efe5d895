import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:show", async (_job, ctx) => {
  throw ctx.notImplemented();
});
