import { defineHandler } from "../../../generated/index.js";

export default defineHandler("user:greet", async (_job, ctx) => {
  throw ctx.notImplemented();
});
