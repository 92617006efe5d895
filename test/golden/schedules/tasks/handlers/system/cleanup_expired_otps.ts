import { defineHandler } from "../../../generated/index.js";

export default defineHandler("system:cleanup_expired_otps", async (_job, ctx) => {
  throw ctx.notImplemented();
});
