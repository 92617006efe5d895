import { defineHandler } from "../../../generated/index.js";

export default defineHandler("inventory:reserve", async (job, ctx) => {
  throw ctx.notImplemented();
});
