import { defineHandler } from "../../../generated/index.js";

/** Takes an order from its approval to the last parcel. */
export default defineHandler("order:fulfil", async (_job, ctx) => {
  throw ctx.notImplemented();
});
