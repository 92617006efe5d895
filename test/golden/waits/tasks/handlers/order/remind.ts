import { defineHandler } from "../../../generated/index.js";

export default defineHandler("order:remind", async (_job, ctx) => {
  throw ctx.notImplemented();
});
