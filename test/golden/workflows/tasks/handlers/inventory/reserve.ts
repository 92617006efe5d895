import { defineHandler } from "../../../generated/index.js";

export default defineHandler("inventory:reserve", async (_job, ctx) => {
  throw ctx.notImplemented();
});
