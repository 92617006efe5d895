import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:store", async (_job, ctx) => {
  throw ctx.notImplemented();
});
