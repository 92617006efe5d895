import { defineHandler } from "../../../generated/index.js";

export default defineHandler("inventory:release", async (_job, ctx) => {
  throw ctx.notImplemented();
});
