import { defineHandler } from "../../../generated/index.js";

export default defineHandler("mail:send", async (_job, ctx) => {
  throw ctx.notImplemented();
});
