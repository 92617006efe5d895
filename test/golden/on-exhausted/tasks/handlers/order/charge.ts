import { defineHandler } from "../../../generated/index.js";

/** Takes the money. */
export default defineHandler("order:charge", async (_job, ctx) => {
  throw ctx.notImplemented();
});
