import { defineHandler } from "../../../generated/index.js";

export default defineHandler("payment:process", async (_job, ctx) => {
  throw ctx.notImplemented();
});
