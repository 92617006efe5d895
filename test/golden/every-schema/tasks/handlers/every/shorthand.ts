import { defineHandler } from "../../../generated/index.js";

export default defineHandler("every:shorthand", async (_job, ctx) => {
  throw ctx.notImplemented();
});
