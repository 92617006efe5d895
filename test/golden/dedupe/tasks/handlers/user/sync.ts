import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:sync", async (_job, ctx) => {
  throw ctx.notImplemented();
});
