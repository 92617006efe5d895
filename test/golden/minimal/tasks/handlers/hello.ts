import { defineHandler } from "../../generated/index.js";

export default defineHandler("hello", async (_job, ctx) => {
  throw ctx.notImplemented();
});
