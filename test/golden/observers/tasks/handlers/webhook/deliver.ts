import { defineHandler } from "../../../generated/index.js";

export default defineHandler("webhook:deliver", async (_job, ctx) => {
  throw ctx.notImplemented();
});
