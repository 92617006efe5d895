import { defineHandler } from "../../../generated/index.js";

export default defineHandler("email:confirmation", async (job, ctx) => {
  throw ctx.notImplemented();
});
