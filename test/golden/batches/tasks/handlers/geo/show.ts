import { defineHandler } from "../../../generated/index.js";

export default defineHandler("geo:show", async (job, ctx) => {
  throw ctx.notImplemented();
});
