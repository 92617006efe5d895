import { defineBatchHandler } from "../../../generated/index.js";

/** Writes events of one tenant into its table. */
export default defineBatchHandler("audit:write", async (_jobs, ctx) => {
  throw ctx.notImplemented();
});
