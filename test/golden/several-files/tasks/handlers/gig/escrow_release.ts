import { defineHandler } from "../../../generated/index.js";

/** Release the escrow of a finished gig to the worker. */
export default defineHandler("gig:escrow_release", async (_job, ctx) => {
  throw ctx.notImplemented();
});
