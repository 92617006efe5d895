import { defineHandler } from "../../../generated/index.js";

export default defineHandler("image:store", async (job, ctx) => {
  throw ctx.notImplemented();
});
