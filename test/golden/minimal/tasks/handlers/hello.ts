import { defineHandler } from "../../generated/index.js";

export default defineHandler("hello", async (job, ctx) => {
  throw ctx.notImplemented();
});
