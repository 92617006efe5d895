import { defineHandler } from "../../../generated/index.js";

export default defineHandler("carrier:cancel", async (_job, ctx) => {
  throw ctx.notImplemented();
});
