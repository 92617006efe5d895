import { defineHandler } from "../../../generated/index.js";

export default defineHandler("every:nothing", async (job, ctx) => {
  throw ctx.notImplemented();
});
