import { defineHandler } from "../../../generated/index.js";

export default defineHandler("image:store", async (_job, ctx) => {
  throw ctx.notImplemented();
});
