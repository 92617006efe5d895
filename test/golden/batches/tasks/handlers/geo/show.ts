import { defineHandler } from "../../../generated/index.js";

export default defineHandler("geo:show", async (_job, ctx) => {
  throw ctx.notImplemented();
});
