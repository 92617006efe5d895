import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:price", async (_job, ctx) => {
  throw ctx.notImplemented();
});
