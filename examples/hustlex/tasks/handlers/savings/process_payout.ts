import { defineHandler, enqueueNotificationSms } from "../../../generated/index.js";
import { transfer } from "../../../src/outside.js";

/** Pay a round of the circle out to the member whose turn it is. */
export default defineHandler("savings:process_payout", async (job, ctx) => {
  const { circleId, round, memberId, amount } = job.payload;
  const order = { from: `circle/${circleId}`, to: memberId, amount };
  const paid = await ctx.step("transfer", () => transfer(order, `payout/${circleId}/${round}`, ctx.signal));
  await enqueueNotificationSms(
    { memberId, text: `Round ${round} of your circle was paid out to you.` },
    { id: `${ctx.idempotencyKey}:sms` },
  );
  return paid;
});
