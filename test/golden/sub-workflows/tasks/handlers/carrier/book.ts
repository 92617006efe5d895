import { defineHandler } from "../../../generated/index.js";

export default defineHandler("carrier:book", async (job, ctx) => {
  throw ctx.notImplemented();
});
