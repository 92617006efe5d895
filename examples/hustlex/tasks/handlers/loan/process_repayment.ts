import { defineHandler } from "../../../generated/index.js";
import { transfer } from "../../../src/outside.js";

/** Collect an instalment of a loan. */
export default defineHandler("loan:process_repayment", async (job, ctx) => {
  const { loanId, instalment, memberId, amount } = job.payload;
  const order = { from: memberId, to: `loan/${loanId}`, amount };
  return await ctx.step("transfer", () => transfer(order, `repayment/${loanId}/${instalment}`, ctx.signal));
});
