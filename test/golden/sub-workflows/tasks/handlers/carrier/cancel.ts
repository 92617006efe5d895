import { defineHandler } from "../../../generated/index.js";

export default defineHandler("carrier:cancel", async (job, ctx) => {
  throw ctx.notImplemented();
});
