import { defineHandler } from "../../../generated/index.js";

export default defineHandler("carrier:book", async (_job, ctx) => {
  throw ctx.notImplemented();
});
