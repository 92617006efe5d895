import { defineHandler } from "../../../generated/index.js";

export default defineHandler("every:nothing", async (_job, ctx) => {
  throw ctx.notImplemented();
});
