import { defineBatchHandler } from "../../../generated/index.js";

/** Resolves addresses, many with one request. */
export default defineBatchHandler("geo:resolve", async (_jobs, ctx) => {
  throw ctx.notImplemented();
});
