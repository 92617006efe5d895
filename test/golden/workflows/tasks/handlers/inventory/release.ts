import { defineHandler } from "../../../generated/index.js";

export default defineHandler("inventory:release", async (job, ctx) => {
  throw ctx.notImplemented();
});
