import { defineHandler } from "../../../generated/index.js";

export default defineHandler("invoice:generate", async (_job, ctx) => {
  throw ctx.notImplemented();
});
