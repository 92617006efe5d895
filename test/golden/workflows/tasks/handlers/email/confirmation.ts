import { defineHandler } from "../../../generated/index.js";

export default defineHandler("email:confirmation", async (_job, ctx) => {
  throw ctx.notImplemented();
});
