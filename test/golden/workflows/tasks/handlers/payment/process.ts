import { defineHandler } from "../../../generated/index.js";

export default defineHandler("payment:process", async (job, ctx) => {
  throw ctx.notImplemented();
});
