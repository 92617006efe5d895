import { defineHandler } from "../../../generated/index.js";

/**
 * Uses every form that a schema can take.
 * On two lines.
 */
export default defineHandler("every:form", async (_job, ctx) => {
  throw ctx.notImplemented();
});
