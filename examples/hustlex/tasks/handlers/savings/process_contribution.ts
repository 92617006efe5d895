import { defineHandler } from "../../../generated/index.js";
import { transfer } from "../../../src/outside.js";

/** Collect a member's contribution to a round of the circle. */
export default defineHandler("savings:process_contribution", async (job, ctx) => {
  const { circleId, round, memberId, amount } = job.payload;
  const order = { from: memberId, to: `circle/${circleId}`, amount };
  return await ctx.step("transfer", () =>
    transfer(order, `contribution/${circleId}/${round}/${memberId}`, ctx.signal),
  );
});
