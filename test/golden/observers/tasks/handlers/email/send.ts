import { defineHandler } from "../../../generated/index.js";

export default defineHandler("email:send", async (_job, ctx) => {
  throw ctx.notImplemented();
});
